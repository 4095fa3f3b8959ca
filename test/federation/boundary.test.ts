import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { credentialsOf, mixedCredentials, strangerCredentials } from "../../src/demo/actors.ts";
import type { Credentials } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import type { MtlsAnswer } from "../../src/demo/mtls-request.ts";
import { credential, HOME, task, WORK } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { subjectAltNameOf } from "../../src/pki/identity.ts";
import { craftedCredentials } from "../harness/crafted.ts";
import { auditRows, createGrant, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { openSigner } from "../harness/signer.ts";

const SCOPE = {
  resources: ["tasks", "notes", "credentials"],
  excluded_resources: ["credentials"],
  include_teams: ["platform"],
  include_personal: true,
};

const ARC = "1.3.6.1.4.1.32473.1";

let work: TestGateway;
let home: TestGateway;
let alice: TestGrant;
let ca: string;

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
  alice = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
  ca = derToPem(alice.enrolled.rootDer, "CERTIFICATE");
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
});

function say(credentials: Credentials, documentId: string, variables: unknown = {}): Promise<MtlsAnswer> {
  return mtlsRequest({ url: work.gateway.federationUrl, ca, ...credentials, body: { documentId, variables } });
}

async function listIds(grant: TestGrant, variables: Record<string, unknown>): Promise<string[]> {
  const answer = await say(credentialsOf(grant.enrolled), "list", variables);
  const page = (answer.body as { data: { list: { rows: { id: string }[] } } }).data.list;
  return page.rows.map(({ id }) => id).sort();
}

/** The row as the database's owner sees it: what is refused is there. */
async function exists(table: string, id: string): Promise<boolean> {
  const { rowCount } = await work.pool.query(`select from app.${table} where id = $1`, [id]);
  return rowCount === 1;
}

describe("acceptance 9 and 10: list", () => {
  test("serves the subject's tasks within the scope: a colleague's in the team, the own ones, nothing else", async () => {
    expect(await listIds(alice, { resource: "tasks" })).toEqual([task(1), task(2), task(5)]);
  });

  test("leaves out a task that the subject owns in a team out of scope", async () => {
    expect(await exists("tasks", task(3))).toBe(true);
    const { rows } = await work.pool.query("select owner_id, team_id from app.tasks where id = $1", [task(3)]);
    expect(rows).toEqual([{ owner_id: "alice", team_id: "payroll" }]);
    expect(await listIds(alice, { resource: "tasks" })).not.toContain(task(3));
    const got = await say(credentialsOf(alice.enrolled), "get", { resource: "tasks", id: task(3) });
    expect([got.status, got.code]).toEqual([404, "NOT_FOUND"]);
  });

  test("answers an absent row and a hidden one with the same bytes, but for the request id", async () => {
    const hidden = await say(credentialsOf(alice.enrolled), "get", { resource: "tasks", id: task(4) });
    const absent = await say(credentialsOf(alice.enrolled), "get", {
      resource: "tasks",
      id: "00000000-0000-4000-8000-00000000dead",
    });
    const withoutRequestId = (answer: MtlsAnswer): string =>
      JSON.stringify(answer.body).replace(/"requestId":"[^"]+"/, '"requestId":""');
    expect(await exists("tasks", task(4))).toBe(true);
    expect(withoutRequestId(hidden)).toBe(withoutRequestId(absent));
  });
});

describe("acceptance 11: a resource that the scope leaves out", () => {
  test.each([
    ["excluded", "credentials", credential(1)],
    ["not named", "projects", "00000000-0000-4000-8000-000000000001"],
    ["unknown to the gateway", "nonsense", "1"],
  ])("is 403 RESOURCE_DENIED when it is %s, and audited", async (_why, resource, id) => {
    expect(await exists("credentials", credential(1))).toBe(true);
    for (const [verb, variables] of [
      ["get", { resource, id }],
      ["list", { resource }],
    ] as const) {
      const answer = await say(credentialsOf(alice.enrolled), verb, variables);
      expect([answer.status, answer.code]).toEqual([403, "RESOURCE_DENIED"]);
    }
    const rows = await auditRows(work, alice.grantId);
    const named = resource === "nonsense" ? null : resource;
    expect(rows).toContainEqual(
      expect.objectContaining({ verb: "get", outcome: "denied", code: "RESOURCE_DENIED", resource: named }),
    );
  });
});

describe("acceptance 12: a certificate for one grant", () => {
  test("cannot speak as the subject of another", async () => {
    const bob = await enrollGrant(work, home, "bob", "bob-at-home", SCOPE);
    const mixed = await mixedCredentials(await openSigner(work.directory), alice.grantId, "bob");
    const answer = await say(mixed, "list", { resource: "tasks" });
    expect([answer.status, answer.code]).toEqual([403, "SUBJECT_MISMATCH"]);
    expect(await auditRows(work, alice.grantId)).toContainEqual(
      expect.objectContaining({ outcome: "denied", code: "SUBJECT_MISMATCH" }),
    );
    expect(await listIds(bob, { resource: "tasks" })).toContain(task(6));
  });

  test("that the gateway's own authority signed but nobody recorded is 401 CERTIFICATE_UNKNOWN", async () => {
    const unrecorded = await mixedCredentials(await openSigner(work.directory), alice.grantId, "alice");
    const answer = await say(unrecorded, "list", { resource: "tasks" });
    expect([answer.status, answer.code]).toEqual([401, "CERTIFICATE_UNKNOWN"]);
    expect(await auditRows(work, alice.grantId)).toContainEqual(
      expect.objectContaining({ outcome: "denied", code: "CERTIFICATE_UNKNOWN" }),
    );
  });

  test("of a grant that never was is 403 GRANT_UNKNOWN", async () => {
    const unknown = await mixedCredentials(
      await openSigner(work.directory),
      "00000000-0000-4000-8000-0000000000aa",
      "alice",
    );
    const answer = await say(unknown, "list", { resource: "tasks" });
    expect([answer.status, answer.code]).toEqual([403, "GRANT_UNKNOWN"]);
  });
});

describe("acceptance 13: a certificate of an untrusted authority", () => {
  test("is refused at TLS, before any request", async () => {
    const before = work.log().split("verb").length;
    const stranger = await strangerCredentials(alice.grantId, "alice");
    const answer = await say(stranger, "list", { resource: "tasks" });
    expect([answer.status, answer.code]).toEqual([undefined, "TLS_REFUSED"]);
    const rows = await auditRows(work);
    expect(rows).toContainEqual(expect.objectContaining({ verb: "handshake", outcome: "denied", code: "TLS_REFUSED" }));
    expect(work.log().split("verb").length).toBe(before);
  });
});

describe("acceptance 14: the state of a grant", () => {
  test.each([
    ["pending", "GRANT_PENDING"],
    ["suspended", "GRANT_SUSPENDED"],
    ["revoked", "GRANT_REVOKED"],
    ["expired", "GRANT_EXPIRED"],
  ])("that is %s is 403 %s with a valid certificate, and audited", async (state, code) => {
    const { grantId } =
      state === "pending"
        ? await createGrant(work, "alice", SCOPE)
        : await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
    if (state === "pending") {
      const answer = await say(await mixedCredentials(await openSigner(work.directory), grantId, "alice"), "list", {
        resource: "tasks",
      });
      expect([answer.status, answer.code]).toEqual([403, code]);
    } else {
      const grant = await enrollGrant(work, home, "carol", "alice-at-home", SCOPE);
      expect((await say(credentialsOf(grant.enrolled), "capabilities")).status).toBe(200);
      if (state === "expired") {
        await work.pool.query(
          "update federation.federation_grants set expires_at = now() + interval '100 milliseconds' where id = $1",
          [grant.grantId],
        );
        await new Promise((resolve) => setTimeout(resolve, 300));
      } else {
        // Ended without a word to any gateway, as where notices are lost: the transaction itself reads what the grant is.
        await work.pool.query(`begin; set local session_replication_role = replica;
          update federation.federation_grants
          set status = '${state}', ended_at = ${state === "revoked" ? "now()" : "null"} where id = '${grant.grantId}';
          commit`);
      }
      const answer = await say(credentialsOf(grant.enrolled), "capabilities");
      expect([answer.status, answer.code]).toEqual([403, code]);
      expect(await auditRows(work, grant.grantId)).toContainEqual(
        expect.objectContaining({ verb: "capabilities", outcome: "denied", code }),
      );
    }
  });

  test("that was revoked is refused on a connection that is open already", async () => {
    const { Client } = await import("undici");
    const grant = await enrollGrant(work, home, "carol", "alice-at-home", SCOPE);
    const { certificate: cert, key } = credentialsOf(grant.enrolled);
    const client = new Client(work.gateway.federationUrl, { connect: { ca, cert, key } });
    const ask = async (): Promise<number> => {
      const { statusCode, body } = await client.request({
        method: "POST",
        path: "/federation",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ documentId: "capabilities" }),
      });
      await body.dump();
      return statusCode;
    };
    expect(await ask()).toBe(200);
    await work.pool.query("select federation.revoke_grant($1, 'test')", [grant.grantId]);
    // A request that comes before the connection is ended is answered with why.
    const asked = (): Promise<number | "ended"> => ask().catch(() => "ended" as const);
    expect([403, "ended"]).toContain(await asked());
    await expect.poll(asked).toBe("ended");
    await client.destroy();
  });
});

describe("acceptance 14: a certificate of the gateway's own authority whose identity", () => {
  const grantId = (): string => alice.grantId;
  const crafted = (subjectAltName: Buffer | undefined, commonName: string): Promise<Credentials> =>
    craftedCredentials(work.directory, subjectAltName, commonName);
  const named = (grant: string, host = "work.localhost"): Buffer =>
    subjectAltNameOf({ grantId: grant, subjectUserId: "alice", host }, ARC);

  test.each([
    ["is missing", () => crafted(undefined, grantId())],
    ["disagrees with its common name", () => crafted(named(grantId()), "00000000-0000-4000-8000-000000000009")],
    ["is no grant id", () => crafted(named("alice"), "alice")],
    [
      "is of another arc",
      () =>
        crafted(
          subjectAltNameOf({ grantId: grantId(), subjectUserId: "alice", host: "work.localhost" }, "1.2.3"),
          grantId(),
        ),
    ],
    ["is of another host", () => crafted(named(grantId(), "elsewhere.example"), grantId())],
  ])("%s is 401 IDENTITY_MALFORMED, and audited", async (_what, craft) => {
    const before = (await auditRows(work)).filter(({ code }) => code === "IDENTITY_MALFORMED").length;
    const answer = await say(await craft(), "list", { resource: "tasks" });
    expect([answer.status, answer.code]).toEqual([401, "IDENTITY_MALFORMED"]);
    const after = (await auditRows(work)).filter(({ code }) => code === "IDENTITY_MALFORMED").length;
    expect(after).toBe(before + 1);
  });

  test("is whole, but whose serial nobody recorded, is as good as unknown", async () => {
    const answer = await say(await crafted(named(grantId()), grantId()), "list", { resource: "tasks" });
    expect([answer.status, answer.code]).toEqual([401, "CERTIFICATE_UNKNOWN"]);
  });
});

describe("acceptance 15: max_rows_per_query", () => {
  test("caps a page, says so, and asking for more pages brings the rest", async () => {
    const grant = await enrollGrant(work, home, "alice", "alice-at-home", {
      ...SCOPE,
      include_teams: "*",
      max_rows_per_query: 2,
    });
    const seen: string[] = [];
    let after: string | null = null;
    let pages = 0;
    do {
      const answer: MtlsAnswer = await say(credentialsOf(grant.enrolled), "list", {
        resource: "tasks",
        first: 100,
        after,
      });
      const { list } = (
        answer.body as { data: { list: { rows: { id: string }[]; nextCursor: string | null; capped: boolean } } }
      ).data;
      expect(list.rows.length).toBeLessThanOrEqual(2);
      expect(list.capped).toBe(list.nextCursor !== null);
      seen.push(...list.rows.map(({ id }) => id));
      after = list.nextCursor;
      pages += 1;
    } while (after !== null);
    expect(pages).toBe(3);
    expect(seen.sort()).toEqual([task(1), task(2), task(3), task(4), task(5)]);
  });
});

describe("acceptance 18: a scope that allows a team which the user is not in", () => {
  test("brings nothing of that team", async () => {
    const grant = await enrollGrant(work, home, "bob", "bob-at-home", {
      resources: ["tasks"],
      include_teams: ["payroll"],
    });
    expect(await exists("tasks", task(4))).toBe(true);
    expect(await listIds(grant, { resource: "tasks" })).toEqual([]);
  });
});

describe("a hidden column", () => {
  test("never leaves, even where the resource is in scope", async () => {
    const grant = await enrollGrant(work, home, "alice", "alice-at-home", {
      resources: ["credentials"],
      include_teams: ["platform"],
    });
    const answer = await say(credentialsOf(grant.enrolled), "get", { resource: "credentials", id: credential(1) });
    expect(answer.status).toBe(200);
    expect(JSON.stringify(answer.body)).not.toContain("never leaves");
    const filtered = await say(credentialsOf(grant.enrolled), "list", {
      resource: "credentials",
      filter: { secret: { eq: "never leaves" } },
    });
    expect([filtered.status, filtered.code]).toEqual([400, "BAD_REQUEST"]);
  });
});

describe("capabilities", () => {
  test("name the resources in scope, the limits, the certificate's end and the CRL, and no resource more", async () => {
    const answer = await say(credentialsOf(alice.enrolled), "capabilities");
    const { capabilities } = (answer.body as { data: { capabilities: Record<string, unknown> } }).data;
    expect(capabilities).toMatchObject({
      protocol: 1,
      verbs: ["capabilities", "list", "get", "search"],
      host: "work.localhost",
      limits: { maxRowsPerQuery: 100, maxBodyBytes: 65_536 },
      crl: `${work.gateway.publicUrl}/crl`,
    });
    expect((capabilities["resources"] as { name: string }[]).map(({ name }) => name)).toEqual(["notes", "tasks"]);
    expect(new Date(String(capabilities["certificateExpiresAt"])).getTime()).toBe(alice.enrolled.notAfter.getTime());
  });
});
