import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME, WORK } from "../../src/demo/world.ts";
import { appendAt } from "../harness/audit.ts";
import { createGrant, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { addAdministrator, ask, doneBy, signInByToken, userToken } from "../harness/pages.ts";
import type { Browser } from "../harness/pages.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"] };

let work: TestGateway, home: TestGateway;
let alices: TestGrant, bobs: TestGrant;
let ada: Browser, alice: Browser;

beforeAll(async () => {
  work = await openTestGateway("work.localhost", WORK);
  home = await openTestGateway("home.localhost", HOME);
  alices = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
  bobs = await enrollGrant(work, home, "bob", "bob-at-home", SCOPE);
  ada = await signInByToken(work, await addAdministrator(work, "ada"));
  alice = await signInByToken(work, (await userToken(work, "alice")).token);
}, 240_000);
afterAll(async () => {
  await home.stop();
  await work.stop();
});

describe("an administrator", () => {
  test("makes a grant, whose URL is told once and enrolls a peer, and the log has the administrator's name", async () => {
    const { data } = await ask(
      ada,
      'mutation ($scope: JSON!) { createGrant(subject: "carol", peerHost: "home.localhost", scope: $scope) { grant { id status createdBy } enrollmentUrl urlExpiresAt } }',
      { scope: SCOPE },
    );
    const made = data?.["createGrant"] as {
      grant: { id: string; status: string; createdBy: string };
      enrollmentUrl: string;
    };
    expect(made.grant).toMatchObject({ status: "pending", createdBy: "ada" });
    expect(made.enrollmentUrl).toMatch(/^https:.*\/enroll\/[\w-]+#sha256=[0-9a-f]{64}$/);
    const token = /enroll\/([\w-]+)#/.exec(made.enrollmentUrl)?.[1] ?? "";
    expect(JSON.stringify(await ask(ada, "{ grants { id scope } audit { rows { details } } }"))).not.toContain(token);
    const { rows } = await work.pool.query(
      "select actor, details from federation.list_audit($1) where verb = 'grant.created'",
      [made.grant.id],
    );
    expect(rows[0]).toMatchObject({ actor: "ada", details: { via: "pages", as: "administrator" } });
  });

  test("saves a wider scope only by confirming it; a narrower one holds at once", async () => {
    const update = (scope: unknown, expected: unknown, confirmWidening?: boolean) =>
      ask(
        ada,
        "mutation ($id: String!, $scope: JSON!, $expected: JSON!, $confirm: Boolean) { updateScope(grantId: $id, scope: $scope, expectedScope: $expected, confirmWidening: $confirm) { scope } }",
        { id: alices.grantId, scope, expected, confirm: confirmWidening },
      );
    const wider = { ...SCOPE, include_personal: true };
    const { data } = await ask(
      ada,
      "mutation ($id: String!, $scope: JSON!) { previewScope(grantId: $id, scope: $scope) { widens widenedBy resources { resource rowsGained rowsLost examplesGained } } }",
      { id: alices.grantId, scope: wider },
    );
    const preview = data?.["previewScope"] as {
      resources: { resource: string; examplesGained: { title: string }[] }[];
    };
    expect(preview).toMatchObject({ widens: true, widenedBy: ["include_personal"] });
    const tasks = preview.resources.find(({ resource }) => resource === "tasks");
    expect(tasks).toMatchObject({ rowsGained: 1, rowsLost: 0 });
    expect(tasks?.examplesGained.map(({ title }) => title)).toEqual(["Book a dentist"]);

    expect(await update(wider, SCOPE)).toMatchObject({ status: 409, code: "WIDENING_UNCONFIRMED" });
    expect(await doneBy(work, "ada")).toContainEqual({
      verb: "pages.update_scope",
      outcome: "denied",
      code: "WIDENING_UNCONFIRMED",
    });
    expect((await update(wider, SCOPE, true)).data).toEqual({ updateScope: { scope: wider } });
    expect(await update({ ...SCOPE, include_teams: [] }, SCOPE)).toMatchObject({ status: 409, code: "CONFLICT" });
    expect(await doneBy(work, "ada")).toContainEqual({
      verb: "pages.update_scope",
      outcome: "denied",
      code: "CONFLICT",
    });
    expect((await update(SCOPE, wider)).data).toEqual({ updateScope: { scope: SCOPE } });
    const faulty = await update({ ...SCOPE, include_teams: 5 }, SCOPE);
    expect(faulty).toMatchObject({ status: 400, code: "SCOPE_INVALID" });
    expect(faulty.errors?.[0]?.extensions).toMatchObject({ path: "include_teams" });
  });

  test("has the log's chains walked, and exports it", async () => {
    const { data } = await ask(ada, "{ auditVerification { intact chains { chain entries fault } } }");
    expect(data).toMatchObject({ auditVerification: { intact: true } });
    const exported = await ada.get("/pages/audit/export?format=ndjson&verb=grant.created");
    expect(exported.headers.get("content-disposition")).toBe('attachment; filename="audit.ndjson"');
    const rows = exported.text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { verb: string });
    expect(rows.length).toBeGreaterThan(1);
    expect(new Set(rows.map(({ verb }) => verb))).toEqual(new Set(["grant.created"]));
    expect((await ada.get("/pages/audit/export?format=csv")).text).toMatch(/^id,at,verb,outcome,code,/);
    expect(await ada.get("/pages/audit/export?colour=red")).toMatchObject({ status: 400, code: "BAD_REQUEST" });
    expect(await doneBy(work, "ada")).toContainEqual({ verb: "audit.exported", outcome: "served", code: "OK" });
  });

  test("exports what is in the archive where that is asked for, and the rows of one subject; a user gets their own by the same filters", async () => {
    const { pool } = work;
    await pool.query("select * from federation.roll_audit()");
    const old = { at: "2020-01-01T00:00:00Z", verb: "list" };
    await appendAt(
      pool,
      [
        { ...old, grant_id: alices.grantId, subject_user_id: "alice", row_count: 41 },
        { ...old, grant_id: bobs.grantId, subject_user_id: "bob", row_count: 42 },
      ],
      "requests-0",
    );
    await pool.query("select * from federation.roll_audit()");
    const exported = async (from: Browser, filters: string): Promise<number[]> =>
      (await from.get(`/pages/audit/export?until=2021-01-01T00:00:00Z${filters}`)).text
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => (JSON.parse(line) as { rowCount: number }).rowCount);
    expect(await exported(ada, "")).toEqual([]);
    expect(await exported(ada, "&archived=false")).toEqual([]);
    expect(await exported(ada, "&archived=true")).toEqual([42, 41]);
    expect(await exported(ada, "&archived=true&subject=bob")).toEqual([42]);
    expect(await exported(alice, "&archived=true")).toEqual([41]);
    expect(await exported(alice, "&archived=true&subject=bob")).toEqual([41]);
    const { data } = await ask(
      ada,
      '{ audit(until: "2021-01-01T00:00:00Z", archived: true, subject: "alice") { rows { subject rowCount } } }',
    );
    expect(data).toEqual({ audit: { rows: [{ subject: "alice", rowCount: 41 }] } });
  });

  test("sees how the gateway does", async () => {
    const { data } = await ask(
      ada,
      "{ overview { host tier services { name state } grants { status count } gateways { name } traffic { perMinute { at served } requestsOfLastDay } } }",
    );
    const overview = data?.["overview"] as {
      services: unknown[];
      gateways: unknown[];
      traffic: { perMinute: unknown[] };
    };
    expect(overview).toMatchObject({ host: "work.localhost", tier: work.gateway.config.tier });
    expect(overview.services).toContainEqual({ name: "database", state: "ok" });
    expect(overview.gateways).toHaveLength(1);
    expect(overview.traffic.perMinute).toHaveLength(60);
  });

  test.each([
    ["CRL_FAILED", "revocationList", /^Good until .* UTC\. A newer one could not be made\.$/],
    ["STEP_CA_AWAY", "authority", /^A gateway does not reach step-ca: by it, nobody can enroll or renew\.$/],
  ])("sees by an alert %s how %s does", async (code, name, detail) => {
    const client = await work.pool.connect();
    try {
      await client.query("begin");
      await client.query("update federation.federation_authorities set kind = 'step-ca'");
      await client.query("select federation.raise_alert('warning', $1, 'work.localhost', 'as a test')", [code]);
      const { rows } = await client.query<{ services: unknown }>("select federation.shown_services() as services");
      expect(rows[0]?.services).toContainEqual({
        ...{ name, state: "degraded" },
        detail: expect.stringMatching(detail) as unknown,
      });
    } finally {
      await client.query("rollback");
      client.release();
    }
  });

  test("registers a table by choosing columns, and takes it back", async () => {
    await work.pool.query("create table public.rooms (id int primary key, keeper text, label text)");
    const { data } = await ask(
      ada,
      'mutation { registerResource(name: "rooms", table: "public.rooms", owner: "keeper", textColumns: ["label"]) { name table isProtected } }',
    );
    expect(data).toEqual({ registerResource: { name: "rooms", table: "public.rooms", isProtected: true } });
    const injected = await ask(
      ada,
      'mutation { registerResource(name: "rooms2", table: "public.rooms", owner: "keeper) or (true") { name } }',
    );
    expect(injected).toMatchObject({ status: 400, code: "RESOURCE_INVALID" });
    expect((await ask(ada, 'mutation { unregisterResource(name: "rooms") }')).data).toEqual({
      unregisterResource: "rooms",
    });
    const { rows } = await work.pool.query<{ actor: string }>(
      "select actor from federation.list_audit(limit_rows => 1000) where verb in ('resource.created', 'resource.removed') and details::text like '%rooms%'",
    );
    expect(rows.map(({ actor }) => actor)).toEqual(["ada", "ada"]);
  });

  test("renews and removes a peer", async () => {
    const hers = await signInByToken(home, await addAdministrator(home, "hera"));
    const peers = (await ask(hers, "{ peers { id user certificateSerial } }")).data?.["peers"] as {
      id: string;
      user: string;
      certificateSerial: string;
    }[];
    const peer = peers.find(({ user }) => user === "bob-at-home");
    const renewed = await ask(hers, "mutation ($id: String!) { renewPeer(id: $id) { certificateSerial } }", {
      id: peer?.id,
    });
    expect(renewed.status).toBe(200);
    expect((renewed.data?.["renewPeer"] as { certificateSerial: string }).certificateSerial).not.toBe(
      peer?.certificateSerial,
    );
    const { rows } = await home.pool.query(
      "select actor from federation.list_audit(limit_rows => 1000) where verb = 'peer.renewal_requested'",
    );
    expect(rows).toEqual([{ actor: "hera" }]);
    const removed = await ask(hers, "mutation ($id: String!) { removePeer(id: $id) }", { id: peer?.id });
    expect(removed.data).toEqual({ removePeer: peer?.id });
    expect(await ask(hers, "mutation ($id: String!) { removePeer(id: $id) }", { id: peer?.id })).toMatchObject({
      status: 404,
      code: "NOT_FOUND",
    });
  });
});

describe("a user who is no administrator", () => {
  test("sees the grants in which they are the subject and their trail, without who made changes", async () => {
    const { data } = await ask(
      alice,
      "{ grants { id subject createdBy } audit { rows { grantId actor details } } overview { gateways { name } alerts { id } traffic { perMinute { at } } } }",
    );
    expect(data?.["grants"]).toEqual([{ id: alices.grantId, subject: "alice", createdBy: null }]);
    const { rows } = data?.["audit"] as { rows: { grantId: string }[] };
    expect(rows.length).toBeGreaterThan(0);
    expect(rows).toEqual(rows.map(() => ({ grantId: alices.grantId, actor: null, details: null })));
    expect(data?.["overview"]).toEqual({ gateways: [], alerts: [], traffic: { perMinute: [] } });
    expect((await alice.get("/pages/audit/export")).text).not.toContain(bobs.grantId);
  });

  test("is told of another's grant what they are told of none", async () => {
    const nobodys = "00000000-0000-4000-8000-000000000000";
    for (const grantId of [bobs.grantId, nobodys]) {
      expect((await ask(alice, "query ($id: String!) { grant(id: $id) { id } }", { id: grantId })).data).toEqual({
        grant: null,
      });
      for (const mutation of [
        'revokeGrant(grantId: $id, reason: "x") { id }',
        'explain(grantId: $id, resource: "tasks") { code }',
        "visible(grantId: $id) { code }",
      ]) {
        const answer = await ask(alice, `mutation ($id: String!) { ${mutation} }`, { id: grantId });
        expect(answer, mutation).toMatchObject({ status: 404, code: "NOT_FOUND" });
      }
    }
    expect((await ask(ada, "query ($id: String!) { grant(id: $id) { status } }", { id: bobs.grantId })).data).toEqual({
      grant: { status: "active" },
    });
  });

  test("is refused whatever is for administrators: 403 ADMINISTRATORS_ONLY, and the log says who asked", async () => {
    const id = alices.grantId;
    const refused: unknown[] = [];
    const scope = JSON.stringify(SCOPE).replace(/"(\w+)":/g, "$1:");
    for (const [field, document] of [
      ["create_grant", `mutation { createGrant(subject: "alice", peerHost: "h", scope: ${scope}) { enrollmentUrl } }`],
      ["create_enrollment_url", `mutation { createEnrollmentUrl(grantId: "${id}") { enrollmentUrl } }`],
      ["update_scope", `mutation { updateScope(grantId: "${id}", scope: ${scope}, expectedScope: ${scope}) { id } }`],
      ["preview_grant", `mutation { previewGrant(subject: "alice", scope: ${scope}) { widens } }`],
      ["preview_scope", `mutation { previewScope(grantId: "${id}", scope: ${scope}) { widens } }`],
      ["suspend_grant", `mutation { suspendGrant(grantId: "${id}") { id } }`],
      ["resume_grant", `mutation { resumeGrant(grantId: "${id}") { id } }`],
      ["register_resource", 'mutation { registerResource(name: "x", table: "app.teams") { name } }'],
      ["unregister_resource", 'mutation { unregisterResource(name: "tasks") }'],
      ["add_administrator", 'mutation { addAdministrator(name: "alice") { token } }'],
      ["remove_administrator", 'mutation { removeAdministrator(name: "ada") }'],
      ["audit_verification", "{ auditVerification { intact } }"],
      ["candidate_tables", "{ candidateTables { table } }"],
      ["choices", "{ choices { users } }"],
      ["alerts", "{ alerts { id } }"],
      ["administrators", "{ administrators { name } }"],
    ] as const) {
      expect(await ask(alice, document), field).toMatchObject({ status: 403, code: "ADMINISTRATORS_ONLY" });
      refused.push({ verb: `pages.${field}`, outcome: "denied", code: "ADMINISTRATORS_ONLY" });
    }
    expect(await doneBy(work, "alice")).toEqual(expect.arrayContaining(refused));
  });

  test("looks at what their own grant lets out, and ends it", async () => {
    const { grantId } = await createGrant(work, "alice", SCOPE);
    const seen = await ask(
      alice,
      'mutation ($id: String!) { visible(grantId: $id) { code resources { resource rows } } explain(grantId: $id, resource: "tasks") { code } }',
      {
        id: grantId,
      },
    );
    expect(seen.data).toMatchObject({ visible: { code: "GRANT_PENDING" }, explain: { code: "GRANT_PENDING" } });
    const ended = await ask(
      alice,
      'mutation ($id: String!) { revokeGrant(grantId: $id, reason: "no longer wanted") { status endReason } }',
      { id: grantId },
    );
    expect(ended.data).toEqual({ revokeGrant: { status: "revoked", endReason: "no longer wanted" } });
    const { rows } = await work.pool.query(
      "select actor, details ->> 'as' as as from federation.list_audit($1) where verb = 'grant.changed' limit 1",
      [grantId],
    );
    expect(rows).toEqual([{ actor: "alice", as: "user" }]);
  });
});
