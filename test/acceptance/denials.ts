import { readFileSync, writeFileSync } from "node:fs";
import { mixedCredentials, strangerCredentials } from "../../src/demo/actors.ts";
import type { ErrorCode } from "../../src/errors.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { craftedCredentials } from "../harness/crafted.ts";
import { createGrant } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { grantByHand } from "../harness/renewal.ts";
import { openSigner } from "../harness/signer.ts";
import { dated, freshGrant, good, SCOPE, signed, silently, slow, withFunction } from "./arrange.ts";
import type { Arranged } from "./arrange.ts";
import { HIS } from "./verbs.ts";
import type { Verb } from "./verbs.ts";
import { say, speakerOf } from "./wire.ts";
import type { Said } from "./wire.ts";

/** What the audit row has as its verb: what was asked; only what the path says, for the body was not read; `unknown`; or `handshake`. */
type Audited = "verb" | "path" | "unknown" | "handshake";

/** Circumstances in which a request is refused. */
export interface Situation {
  /** As a sentence goes on that begins with the verb. */
  when: string;
  /** Status and code of the answer; no status where the connection itself is refused. */
  status: number | undefined;
  code: ErrorCode | "TLS_REFUSED";
  audited: Audited;
  /** The codes of the audit row, where these are others than what the caller hears. */
  auditedAs?: ErrorCode[];
  /** How the request is sent, where it is not sent whole. */
  how?: "half" | "hangs up";
  /** What is said, where it is not what is to be said. */
  say?: (verb: Verb, said: Said) => Said;
  /** Whether the answer says when to come back. */
  retryAfter?: true;
  /** The verbs that cannot meet it, each with the reason. */
  never: Partial<Record<Verb, string>>;
  arrange: (work: TestGateway) => Promise<Arranged>;
}

const NO_BODY = { "renew.confirm": "no body is read" } as const;
const ONLY_GET = {
  capabilities: "asks for no row",
  list: "what is not there is not in the list",
  search: "what is not there is not among the hits",
  renew: "asks for no row",
  "renew.confirm": "asks for no row",
} as const;
const NO_RESOURCE = {
  capabilities: "names no resource: it lists those in scope",
  renew: "names no resource",
  "renew.confirm": "names no resource",
} as const;
const ONLY_RENEW = {
  capabilities: "asks for no certificate",
  list: "asks for no certificate",
  get: "asks for no certificate",
  search: "asks for no certificate",
} as const;

/** Every way in which the federation listener refuses, by code. */
export const SITUATIONS: Situation[] = [
  {
    when: "with a certificate that says nothing of a grant",
    ...{ status: 401, code: "IDENTITY_MALFORMED", audited: "unknown", never: {} },
    arrange: async (work) => ({
      speaker: {
        ...(await craftedCredentials(work.directory, undefined, "somebody")),
        ca: speakerOf(await freshGrant(work)).ca,
      },
      grantId: null,
    }),
  },
  {
    when: "with a certificate that nobody recorded",
    ...{ status: 401, code: "CERTIFICATE_UNKNOWN", audited: "verb", never: {} },
    arrange: signed((grant) => grant),
  },
  {
    when: "with a certificate for a grant that never was",
    ...{ status: 403, code: "GRANT_UNKNOWN", audited: "verb", never: {} },
    arrange: signed(({ subject }) => ({ grantId: "00000000-0000-4000-8000-0000000000aa", subject })),
  },
  {
    when: "with a certificate that joins the grant with another subject",
    ...{ status: 403, code: "SUBJECT_MISMATCH", audited: "verb", never: {} },
    arrange: signed(({ grantId }) => ({ grantId, subject: "ben" })),
  },
  {
    when: "under a grant that nobody has enrolled for",
    ...{ status: 403, code: "GRANT_PENDING", audited: "verb", never: {} },
    arrange: async (work) => {
      const { ca } = speakerOf(await freshGrant(work));
      const { grantId } = await createGrant(work, "ada", SCOPE);
      return {
        speaker: { ...(await mixedCredentials(await openSigner(work.directory), grantId, "ada")), ca },
        grantId,
      };
    },
  },
  {
    when: "under a grant that is suspended",
    ...{ status: 403, code: "GRANT_SUSPENDED", audited: "verb", never: {} },
    arrange: async (work) => {
      const arranged = await good(work);
      await work.pool.query("select federation.suspend_grant($1)", [arranged.grantId]);
      return arranged;
    },
  },
  {
    when: "under a grant that was revoked a moment ago, before the gateway was told",
    ...{ status: 403, code: "GRANT_REVOKED", audited: "verb", never: {} },
    arrange: silently(
      (id) =>
        `update federation.federation_grants set status = 'revoked', ended_at = now(), end_reason = 'left' where id = '${id}'`,
    ),
  },
  {
    when: "under a grant whose end has passed",
    ...{ status: 403, code: "GRANT_EXPIRED", audited: "verb", never: {} },
    arrange: silently(
      (id) =>
        `update federation.federation_grants set created_at = now() - interval '2 hours', expires_at = now() - interval '1 hour' where id = '${id}'`,
    ),
  },
  {
    when: "with a certificate that was revoked a moment ago, before the gateway was told",
    ...{ status: 403, code: "CERTIFICATE_REVOKED", audited: "verb", never: {} },
    arrange: silently(
      (id) =>
        `update federation.federation_certificates set revoked_at = now(), revocation_reason = 'keyCompromise' where grant_id = '${id}'`,
    ),
  },
  {
    when: "on behalf of a user who is gone",
    ...{ status: 400, code: "SUBJECT_UNKNOWN", audited: "verb", never: {} },
    arrange: withFunction(
      "subject_exists",
      "text",
      "create function federation.subject_exists(subject text) returns boolean language sql as 'select false'",
    ),
  },
  {
    when: "of a resource that the scope excludes",
    ...{ status: 403, code: "RESOURCE_DENIED", audited: "verb", never: NO_RESOURCE },
    say: (verb) => ({
      body: {
        documentId: verb,
        variables:
          verb === "search"
            ? { query: "plan", resources: ["credentials"] }
            : { resource: "credentials", ...(verb === "get" ? { id: HIS } : {}) },
      },
    }),
    arrange: good,
  },
  {
    when: "of a row that is another's",
    ...{ status: 404, code: "NOT_FOUND", audited: "verb", never: ONLY_GET },
    say: () => ({ body: { documentId: "get", variables: { resource: "tasks", id: HIS } } }),
    arrange: good,
  },
  {
    when: "at a path where nothing is",
    ...{ status: 404, code: "NOT_FOUND", audited: "unknown", never: {} },
    say: (_, said) => ({ ...said, path: "/graphql" }),
    arrange: good,
  },
  {
    when: "with a variable that it does not have",
    ...{ status: 400, code: "BAD_REQUEST", audited: "path", never: NO_BODY },
    say: (verb, said) => ({
      ...said,
      body: verb === "renew" ? { csr: 1 } : { documentId: verb, variables: { resource: "tasks", sql: "select 1" } },
    }),
    arrange: good,
  },
  {
    when: "with what is no JSON",
    ...{ status: 400, code: "BAD_REQUEST", audited: "path", never: NO_BODY },
    say: (_, said) => ({ ...said, body: "{" }),
    arrange: good,
  },
  {
    when: "with a deadline that is no number",
    ...{ status: 400, code: "BAD_REQUEST", audited: "unknown", never: {} },
    say: (_, said) => ({ ...said, headers: { "mosaic-timeout-ms": "soon" } }),
    arrange: good,
  },
  {
    when: "by another method",
    ...{ status: 405, code: "METHOD_NOT_ALLOWED", audited: "unknown", never: {} },
    say: (_, said) => ({ ...said, method: "PUT" }),
    arrange: good,
  },
  {
    when: "in more than 64 KiB",
    ...{ status: 413, code: "BODY_TOO_LARGE", audited: "path", never: NO_BODY },
    say: (_, said) => ({ ...said, body: JSON.stringify(said.body) + " ".repeat(65_536) }),
    arrange: good,
  },
  {
    when: "as another type than JSON",
    ...{ status: 415, code: "UNSUPPORTED_MEDIA_TYPE", audited: "path", never: NO_BODY },
    say: (_, said) => ({ ...said, headers: { "content-type": "text/plain" } }),
    arrange: good,
  },
  {
    when: "in a body that does not end in time",
    ...{ status: 408, code: "REQUEST_TIMEOUT", audited: "path", how: "half", never: NO_BODY },
    say: (_, said) => ({ ...said, headers: { "mosaic-timeout-ms": "300" } }),
    arrange: good,
  },
  {
    when: "when the grant's tokens are used up",
    ...{ status: 429, code: "RATE_LIMITED", audited: "unknown", retryAfter: true, never: {} },
    arrange: async (work) => {
      const arranged = await good(work);
      await work.pool.query("select federation.set_grant_limits($1, 1, null)", [arranged.grantId]);
      await say(arranged.speaker, work, { body: { documentId: "capabilities" } });
      return arranged;
    },
  },
  {
    when: "for the 25th time in a day",
    ...{ status: 429, code: "RENEWAL_LIMITED", audited: "verb", retryAfter: true },
    never: { ...ONLY_RENEW, "renew.confirm": "a confirmation is no renewal" },
    arrange: async (work) => {
      const grant = await freshGrant(work);
      const by = grantByHand(work, grant);
      for (let count = 0; count < 24; count += 1) {
        await by.renewed(by.first);
      }
      return { speaker: speakerOf(grant), grantId: grant.grantId };
    },
  },
  {
    when: "with a certificate whose successor was confirmed",
    ...{ status: 409, code: "CONFLICT", audited: "verb" },
    never: { ...ONLY_RENEW, "renew.confirm": "what was confirmed is so once more" },
    arrange: async (work) => {
      const grant = await freshGrant(work);
      const by = grantByHand(work, grant);
      await by.at(await by.renewed(by.first), "/renew/confirm");
      return { speaker: speakerOf(grant), grantId: grant.grantId };
    },
  },
  {
    when: "with a certificate request that cannot be read",
    ...{ status: 400, code: "CSR_INVALID", audited: "verb" },
    never: { ...ONLY_RENEW, ...NO_BODY },
    say: (_, said) => ({ ...said, body: { csr: "-----BEGIN CERTIFICATE REQUEST-----\n" } }),
    arrange: good,
  },
  {
    when: "while the gateway cannot read what holds for the grant",
    ...{ status: 503, code: "UNAVAILABLE", audited: "unknown", retryAfter: true, never: {} },
    arrange: withFunction("grant_terms", "uuid", undefined),
  },
  {
    when: "while the table has lost its protection",
    ...{ status: 503, code: "UNAVAILABLE", audited: "verb", retryAfter: true },
    never: { capabilities: "reads no table", renew: "reads no table", "renew.confirm": "reads no table" },
    arrange: async (work) => {
      const arranged = await good(work);
      await work.pool.query("alter table app.tasks disable row level security");
      return { ...arranged, undo: () => work.pool.query("alter table app.tasks enable row level security") };
    },
  },
  {
    when: "under a grant that is audited strictly, while the log cannot be written",
    ...{ status: 503, code: "UNAVAILABLE", audited: "verb", retryAfter: true, never: {} },
    arrange: async (work) => {
      const arranged = await withFunction("append_audit", "jsonb, text", undefined)(work);
      await work.pool.query("select federation.set_grant_audit($1, 'strict')", [arranged.grantId]);
      return arranged;
    },
  },
  {
    when: "while the database does not know what was published as revoked",
    ...{ status: 503, code: "UNAVAILABLE", audited: "unknown", retryAfter: true, never: {} },
    arrange: async (work) => {
      const arranged = await good(work);
      await work.gateway.refreshCrl();
      const { publishedRevocations: file } = gatewayPaths(work.directory);
      const published = readFileSync(file, "utf8");
      const { lastRevocation, ...rest } = JSON.parse(published) as { lastRevocation: number };
      writeFileSync(file, JSON.stringify({ ...rest, lastRevocation: lastRevocation + 1 }));
      await work.gateway.refreshCrl().catch(() => undefined);
      return {
        ...arranged,
        undo: () => {
          writeFileSync(file, published);
          return work.gateway.refreshCrl();
        },
      };
    },
  },
  {
    when: "with less time than the database takes",
    ...{ status: 504, code: "DEADLINE_EXCEEDED", audited: "verb", never: {} },
    say: (_, said) => ({ ...said, headers: { "mosaic-timeout-ms": "300" } }),
    arrange: slow,
  },
  {
    when: "by who hangs up before the answer",
    ...{ status: 499, code: "CANCELLED", audited: "verb", how: "hangs up", never: {} },
    arrange: slow,
  },
  {
    when: "while the database lacks something that it should have",
    ...{ status: 500, code: "INTERNAL", audited: "verb", never: {} },
    arrange: withFunction("subject_exists", "text", undefined),
  },
  {
    when: "with a certificate of another authority",
    ...{ status: undefined, code: "TLS_REFUSED", audited: "handshake", never: {} },
    arrange: async (work) => {
      const grant = await freshGrant(work);
      const stranger = await strangerCredentials(grant.grantId, "ada");
      return { speaker: { ...stranger, ca: speakerOf(grant).ca }, grantId: null };
    },
  },
  {
    when: "with a certificate whose time is over",
    ...{ status: undefined, code: "TLS_REFUSED", audited: "handshake", never: {} },
    arrange: dated(-7_200, -3_600),
  },
  {
    when: "with a certificate whose time has not come",
    ...{ status: undefined, code: "TLS_REFUSED", audited: "handshake", never: {} },
    arrange: dated(3_600, 7_200),
  },
  {
    when: "with a certificate that the gateway knows as revoked",
    ...{ status: undefined, code: "TLS_REFUSED", audited: "handshake", never: {} },
    auditedAs: ["GRANT_REVOKED", "CERTIFICATE_REVOKED"],
    arrange: async (work) => {
      const arranged = await good(work);
      await work.pool.query("select federation.revoke_grant($1, 'left')", [arranged.grantId]);
      for (;;) {
        const { status } = await say(arranged.speaker, work, { body: { documentId: "capabilities" } });
        if (status === undefined) {
          return arranged;
        }
      }
    },
  },
];
