import { request } from "undici";
import { addPeer as enrollUser } from "../client/add-peer.ts";
import { parseEnrollmentUrl } from "../client/enrollment-url.ts";
import type { Enrolled } from "../client/enroll.ts";
import { configSchema } from "../config/schema.ts";
import { asAdministrator } from "../database/administrator.ts";
import { createCsr } from "../pki/csr.ts";
import { derToPem } from "../pki/der.ts";
import { createEmbeddedAuthority, createRoot } from "../pki/embedded-authority.ts";
import { generateKeyPair } from "../pki/keys.ts";
import { readEmbeddedRoot } from "../setup/open-authority.ts";
import { useDatabase } from "../setup/use-database.ts";
import type { FederatedPage } from "../source/home-queries.ts";

const TIMEOUT_MS = 10_000;

/** A certificate and its key, PEM. */
export interface Credentials {
  certificate: string;
  key: string;
}

/** Work's administrator: gives a grant and returns its id and the enrollment URL. */
export async function createGrant(
  directory: string,
  subject: string,
  scope: unknown,
): Promise<{ grantId: string; url: string }> {
  return useDatabase(directory, ({ adminUrl }) =>
    asAdministrator(adminUrl, async (client) => {
      const { rows } = await client.query<{ grant_id: string; enrollment_url: string }>(
        "select grant_id, enrollment_url from federation.create_grant($1, 'home.localhost', $2)",
        [subject, JSON.stringify(scope)],
      );
      return { grantId: rows[0]?.grant_id ?? "", url: rows[0]?.enrollment_url ?? "" };
    }),
  );
}

/** Work's administrator: ends a grant. */
export async function revokeGrant(directory: string, grantId: string): Promise<void> {
  await useDatabase(directory, ({ adminUrl }) =>
    asAdministrator(adminUrl, (client) =>
      client.query("select federation.revoke_grant($1, 'the demo ends')", [grantId]),
    ),
  );
}

/** Home's administrator: enrolls a local user by the URL, as `mosaic federation peer add` does. */
export async function addPeer(directory: string, user: string, url: string): Promise<Enrolled> {
  return useDatabase(directory, ({ adminUrl, keyring }) =>
    enrollUser({ adminUrl, keyring, userId: user, url: parseEnrollmentUrl(url), timeoutMs: TIMEOUT_MS }),
  );
}

/** Home's administrator: a bearer token of a local user. */
export async function createToken(directory: string, user: string): Promise<string> {
  return useDatabase(directory, ({ adminUrl }) =>
    asAdministrator(adminUrl, async (client) => {
      const { rows } = await client.query<{ token: string }>("select token from federation.create_user_token($1)", [
        user,
      ]);
      return rows[0]?.token ?? "";
    }),
  );
}

/** A local user: lists tasks through the home listener's GraphQL. */
export async function listTasks(homeUrl: string, token: string, source: string): Promise<FederatedPage> {
  const query = `query ($source: String!) {
    list(resource: "tasks", source: $source, order: [{ column: "due_on" }]) {
      rows nextCursor capped sources { source status rows capped error { code message } }
    }
  }`;
  const { body } = await request(`${homeUrl}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query, variables: { source } }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer = (await body.json()) as {
    data?: { list: FederatedPage } | null;
    errors?: { message: string; extensions: { code: string } }[];
  };
  const error = answer.errors?.[0];
  if (error !== undefined || answer.data == null) {
    throw new Error(`${error?.extensions.code ?? "no answer"}: ${error?.message ?? ""}`);
  }
  return answer.data.list;
}

/** A local user: searches through the home listener's GraphQL; the source of each hit. */
export async function searchSources(homeUrl: string, token: string, words: string): Promise<string[]> {
  const { body } = await request(`${homeUrl}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({
      query: 'query ($words: String!) { search(query: $words, source: "all") { hits } }',
      variables: { words },
    }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer = (await body.json()) as { data: { search: { hits: { _source: string }[] } } | null };
  return answer.data?.search.hits.map(({ _source }) => _source) ?? [];
}

/** What `enroll` brought, as a TLS client takes it. */
export function credentialsOf(enrolled: Enrolled): Credentials {
  return {
    certificate: enrolled.chainDer.map((der) => derToPem(der, "CERTIFICATE")).join(""),
    key: derToPem(enrolled.privateKeyDer, "PRIVATE KEY"),
  };
}

/** What signs certificates that a gateway trusts. */
export interface Signer {
  certificateDer: Buffer;
  /** PKCS#8. */
  privateKeyDer: Buffer;
  /** Itself and what is between it and the root, PEM; empty where it is the root. */
  chainPem: string[];
}

/** The key of a gateway's own embedded authority, for who holds its directory. */
export async function openSigner(directory: string): Promise<Signer> {
  return useDatabase(directory, ({ adminUrl, keyring }) =>
    asAdministrator(adminUrl, async (client) => {
      const root = await readEmbeddedRoot(client, keyring);
      if (root === undefined) {
        throw new Error("the gateway has no embedded authority");
      }
      return { ...root, chainPem: [] };
    }),
  );
}

/** A thief in work's own house: a certificate by work's real authority that joins one grant with the subject of another. */
export async function mixedCredentials(
  signer: Signer,
  grantId: string,
  subject: string,
  host = "work.localhost",
): Promise<Credentials> {
  return clientCredentials(signer, { grantId, subjectUserId: subject, host });
}

/** A stranger: the right names, signed by an authority of their own. */
export async function strangerCredentials(grantId: string, subject: string): Promise<Credentials> {
  const root = createRoot({ commonName: "work.localhost federation root", lifetimeDays: 1 });
  const identity = { grantId, subjectUserId: subject, host: "work.localhost" };
  return clientCredentials({ ...root, chainPem: [] }, identity);
}

async function clientCredentials(
  { chainPem, ...signer }: Signer,
  identity: { grantId: string; subjectUserId: string; host: string },
): Promise<Credentials> {
  const { privateKeyPem } = generateKeyPair();
  const oidArc = configSchema.shape.oidArc.parse(undefined);
  const authority = createEmbeddedAuthority({ ...signer, oidArc, crlUrl: "https://work.localhost/crl" });
  const issued = await authority.issueClientCertificate({
    csrPem: createCsr({ privateKeyPem, commonName: "demo" }),
    identity,
    lifetimeSeconds: 3_600,
  });
  return { certificate: [issued.certificatePem, ...chainPem].join(""), key: privateKeyPem };
}
