import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "undici";
import { createPeerRenewals } from "../../src/client/peer-renewals.ts";
import type { PeerRenewals } from "../../src/client/peer-renewals.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { credentialsOf } from "../../src/demo/actors.ts";
import type { Credentials } from "../../src/demo/actors.ts";
import { createLog } from "../../src/observability/log.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { derToPem, pemToDer } from "../../src/pki/der.ts";
import { readPeerIdentity } from "../../src/pki/identity.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { loadKeyring } from "../../src/seal/keyring.ts";
import { auditRows } from "./gateway.ts";
import type { TestGateway, TestGrant } from "./gateway.ts";

/** The arc of identity entries that gateways use unless told otherwise. */
export const ARC = "1.3.6.1.4.1.32473.1";

/** What a worker of a gateway renews by. */
export function renewalsOf(home: TestGateway): PeerRenewals {
  return createPeerRenewals({
    adminUrl: home.adminUrl,
    keyring: () => loadKeyring(gatewayPaths(home.directory).sealKeys),
    timeoutMs: 5_000,
    log: createLog("silent"),
  });
}

/** What a gateway answered, or that it refused the connection. */
export interface PostAnswer {
  status: number | undefined;
  /** `OK`, the error's code, or `TLS_REFUSED`. */
  code: string;
  /** The header of that name, seconds. */
  retryAfter?: number;
  body: Record<string, unknown>;
}

/** Posts to a path of a federation listener, by a certificate. */
async function post(
  url: string,
  ca: string,
  { certificate: cert, key }: Credentials,
  path: string,
  body?: unknown,
): Promise<PostAnswer> {
  const client = new Client(url, { connect: { ca, cert, key } });
  try {
    const answer = await client.request({
      method: "POST",
      path,
      ...(body === undefined
        ? {}
        : {
            headers: { "content-type": "application/json" },
            body: typeof body === "string" ? body : JSON.stringify(body),
          }),
    });
    const read = (await answer.body.json()) as Record<string, unknown> & {
      errors?: { extensions: { code: string } }[];
    };
    const { "retry-after": wait } = answer.headers;
    return {
      status: answer.statusCode,
      code: read.errors?.[0]?.extensions.code ?? "OK",
      ...(wait === undefined ? {} : { retryAfter: Number(wait) }),
      body: read,
    };
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      /^(ERR_SSL|ECONNRESET|UND_ERR_SOCKET|EPIPE)/.test(String(error.code))
    ) {
      return { status: undefined, code: "TLS_REFUSED", body: {} };
    }
    throw error;
  } finally {
    await client.destroy();
  }
}

/** A request for a new key, and the key. */
export function newRequest(): { csr: string; key: string } {
  const { privateKeyPem: key } = generateKeyPair();
  return { csr: createCsr({ privateKeyPem: key, commonName: "mosaic peer" }), key };
}

/** Our side of a peer as the database has it. */
export interface PeerRecord {
  id: string;
  certificate_serial: string;
  state: string;
  renewal_failures: number;
  renewal_failure_code: string | null;
  ended_because: string | null;
}

export async function peerRecord(home: TestGateway, user: string): Promise<PeerRecord> {
  const { rows } = await home.pool.query<PeerRecord>("select * from federation.list_peers() where owner_user_id = $1", [
    user,
  ]);
  const [row] = rows;
  if (row === undefined) {
    throw new Error(`${user} has no peer`);
  }
  return row;
}

/** Lets time pass for what our side remembers of a peer: its certificate is near its end, its last attempt long ago. */
export async function makeDue(home: TestGateway, user: string): Promise<void> {
  await home.pool.query(
    `update federation.federation_peers
     set certificate_not_after = now() + interval '5 seconds', renewal_failed_at = renewal_failed_at - interval '1 day'
     where owner_user_id = $1`,
    [user],
  );
}

/** The program and arguments by which a process renews what is due, with a clock that is off by so many ms. */
const renewingProcess = (home: TestGateway, ms: number): string[] => [
  join(import.meta.dirname, "renew-by-wrong-clock.ts"),
  String(ms),
  home.adminUrl,
  gatewayPaths(home.directory).sealKeys,
];

/** Renews what is due in a process whose clock is off; the database's is not. */
export async function renewByWrongClock(home: TestGateway, ms: number): Promise<{ now: string; due: string[] }> {
  const { stdout } = await promisify(execFile)(process.execPath, renewingProcess(home, ms));
  return JSON.parse(stdout) as { now: string; due: string[] };
}

/** Renews what is due in a process that is killed (SIGKILL) once it has come so far, or has ended before. */
export async function renewUntilKilled(home: TestGateway, hasComeSoFar: () => Promise<boolean>): Promise<void> {
  const child = spawn(process.execPath, renewingProcess(home, 0), { stdio: "ignore" });
  const exited = once(child, "exit");
  while (child.exitCode === null && !(await hasComeSoFar())) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  child.kill("SIGKILL");
  await exited;
}

/** A certificate of a grant as the serving side recorded it. */
export interface Recorded {
  serial: string;
  renewed_from: string | null;
  confirmed: boolean;
  revocation_reason: string | null;
}

/** What tests do by the certificates of one grant, and what the serving side has of them. */
export interface GrantByHand {
  /** The root that the peer pinned, PEM. */
  ca: string;
  /** The certificate of the enrollment. */
  first: Credentials;
  at(credentials: Credentials, path: string, body?: unknown): Promise<PostAnswer>;
  /** The code of a `list`. */
  says(credentials: Credentials): Promise<string>;
  /** Renews: the certificate that the answer holds, with its key. */
  renewed(by: Credentials): Promise<Credentials & { serial: string }>;
  /** Oldest first. */
  recorded(): Promise<Recorded[]>;
  supersede(grace: string): Promise<unknown>;
  /** Audit rows of renewals as `verb outcome code`, newest first. */
  verdicts(): Promise<string[]>;
}

export function grantByHand(work: TestGateway, { grantId, enrolled }: TestGrant): GrantByHand {
  const ca = derToPem(enrolled.rootDer, "CERTIFICATE");
  const at: GrantByHand["at"] = (credentials, path, body) =>
    post(work.gateway.federationUrl, ca, credentials, path, body);
  return {
    ca,
    first: credentialsOf(enrolled),
    at,
    says: async (credentials) =>
      (await at(credentials, "/federation", { documentId: "list", variables: { resource: "tasks", first: 1 } })).code,
    renewed: async (by) => {
      const { csr, key } = newRequest();
      const { code, body } = await at(by, "/renew", { csr });
      if (code !== "OK") {
        throw new Error(code);
      }
      const { certificate, chain } = body as { certificate: string; chain: string[] };
      const der = pemToDer(certificate, "CERTIFICATE", "CERTIFICATE_INVALID");
      return { certificate: [certificate, ...chain].join(""), key, serial: readPeerIdentity(der, ARC).serial };
    },
    recorded: async () => {
      const { rows } = await work.pool.query<Recorded>(
        `select serial, renewed_from, confirmed_at is not null as confirmed, revocation_reason
         from federation.federation_certificates where grant_id = $1 order by issued_at, serial`,
        [grantId],
      );
      return rows;
    },
    supersede: (grace) => work.pool.query("select federation.supersede_certificates($1)", [grace]),
    verdicts: async () =>
      (await auditRows(work, grantId))
        .filter(({ verb }) => verb === "renew" || verb === "renew.confirm")
        .map(({ verb, outcome, code }) => `${verb} ${outcome} ${code}`),
  };
}
