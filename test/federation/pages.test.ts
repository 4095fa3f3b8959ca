import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME, WORK } from "../../src/demo/world.ts";
import { auditRows, createGrant, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { addAdministrator, ask, browser, signInByToken, userToken } from "../harness/pages.ts";
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

/** Rows of the audit log by a person, newest first. */
async function doneBy(person: string): Promise<{ verb: string; outcome: string; code: string }[]> {
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const { rows } = await work.pool.query<{ verb: string; outcome: string; code: string }>(
    "select verb, outcome, code from federation.list_audit(limit_rows => 1000) where actor = $1 or details ->> 'person' = $1",
    [person],
  );
  return rows;
}

describe("signing in", () => {
  test("by a token brings a cookie that no script, no other site and no connection in the clear has", async () => {
    const fresh = browser(work);
    const answer = await fresh.post("/pages/sign-in", { token: await addAdministrator(work, "grace") });
    expect(answer.status).toBe(200);
    expect(answer.body.person).toMatchObject({ name: "grace", isAdministrator: true, signedInBy: "token" });
    const [cookie = ""] = answer.cookies;
    expect(cookie).toMatch(/^mosaic-session=[\w-]{43}; Path=\/pages\/; HttpOnly; Secure; SameSite=Strict$/);
    const { rows } = await work.pool.query(
      "select session_hash::text as hash from federation.federation_browser_sessions",
    );
    expect(JSON.stringify(rows)).not.toContain(/=([\w-]{43});/.exec(cookie)?.[1] ?? "none");
    expect(await doneBy("grace")).toContainEqual({ verb: "pages.signed_in", outcome: "served", code: "OK" });
  });

  test("by a token that is none is 401 UNAUTHENTICATED, in the log and without a cookie", async () => {
    const before = (await auditRows(work)).filter(({ verb }) => verb === "pages.sign_in").length;
    for (const token of ["mosaic_admin_wrong", "mosaic_wrong", "' or 1=1 --"]) {
      const answer = await browser(work).post("/pages/sign-in", { token });
      expect(answer).toMatchObject({ status: 401, code: "UNAUTHENTICATED", cookies: [] });
    }
    const rows = (await auditRows(work)).filter(({ verb }) => verb === "pages.sign_in");
    expect(rows).toHaveLength(before + 3);
    expect(rows[0]).toMatchObject({ outcome: "denied", code: "UNAUTHENTICATED" });
  });

  test("says who is signed in, and nobody before and after", async () => {
    const fresh = browser(work);
    expect((await fresh.get("/pages/session")).body).toEqual({ person: null, oidc: false });
    await fresh.post("/pages/sign-in", { token: (await userToken(work, "bob")).token });
    expect((await fresh.get("/pages/session")).body.person).toMatchObject({ name: "bob", isAdministrator: false });
    expect((await fresh.post("/pages/sign-out", {})).status).toBe(204);
    expect((await fresh.get("/pages/session")).body.person).toBeNull();
  });

  test("is limited for each address: 429 RATE_LIMITED with Retry-After", async () => {
    const limited = await openTestGateway("limited.localhost", HOME);
    try {
      const tries: number[] = [];
      let refused: Awaited<ReturnType<Browser["post"]>> | undefined;
      for (let n = 0; n < 61; n += 1) {
        refused = await browser(limited).post("/pages/sign-in", { token: "mosaic_wrong" });
        tries.push(refused.status);
      }
      expect(tries.filter((status) => status === 401)).toHaveLength(60);
      expect(refused).toMatchObject({ status: 429, code: "RATE_LIMITED" });
      expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(0);
    } finally {
      await limited.stop();
    }
  });
});

describe("a session ends", () => {
  test("when the user's token is revoked, and when it expires", async () => {
    for (const end of [
      "select federation.revoke_user_token($1)",
      "update federation.federation_user_tokens set expires_at = now() where id = $1",
    ]) {
      const { token, tokenId } = await userToken(work, "carol");
      const carol = await signInByToken(work, token);
      expect((await ask(carol, "{ me { name } }")).status).toBe(200);
      await work.pool.query(end, [tokenId]);
      expect(await ask(carol, "{ me { name } }")).toMatchObject({ status: 401, code: "UNAUTHENTICATED" });
    }
  });

  test("when the administrator is removed", async () => {
    const leaving = await signInByToken(work, await addAdministrator(work, "leaving"));
    expect((await ask(leaving, "{ me { name } }")).status).toBe(200);
    await work.pool.query("select federation.remove_administrator('leaving')");
    expect(await ask(leaving, "{ me { name } }")).toMatchObject({ status: 401, code: "UNAUTHENTICATED" });
  });

  test("after 30 minutes in which the person asked for nothing, whatever the page asks by itself", async () => {
    const idle = await signInByToken(work, await addAdministrator(work, "idle"));
    const seen = "where administrator_id = (select id from federation.federation_administrators where name = 'idle')";
    const set = (ago: string): Promise<unknown> =>
      work.pool.query(`update federation.federation_browser_sessions set last_seen_at = now() - $1::interval ${seen}`, [
        ago,
      ]);
    await set("29 minutes");
    expect((await ask(idle, "{ me { name } }", {}, { "mosaic-background": "1" })).status).toBe(200);
    const { rows } = await work.pool.query<{ old: boolean }>(
      `select last_seen_at < now() - interval '28 minutes' as old from federation.federation_browser_sessions ${seen}`,
    );
    expect(rows).toEqual([{ old: true }]);
    expect((await ask(idle, "{ me { name } }")).status).toBe(200);
    await set("31 minutes");
    expect(await ask(idle, "{ me { name } }")).toMatchObject({ status: 401, code: "UNAUTHENTICATED" });
  });

  test("after 12 hours in any case", async () => {
    const long = await signInByToken(work, await addAdministrator(work, "long"));
    await work.pool.query(
      "update federation.federation_browser_sessions set expires_at = now() where administrator_id = (select id from federation.federation_administrators where name = 'long')",
    );
    expect(await ask(long, "{ me { name } }")).toMatchObject({ status: 401, code: "UNAUTHENTICATED" });
  });
});

describe("pages of other origins", () => {
  const QUERY = { query: "{ me { name } }" };

  test("are refused with 403 ORIGIN_REFUSED, and who would have been misused is in the log", async () => {
    const own = work.gateway.homeUrl;
    for (const headers of [
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: own.replace("127.0.0.1", "localhost") },
      { origin: own, "mosaic-pages": "0" },
      { origin: own, "sec-fetch-site": "cross-site" },
    ]) {
      const answer = await ada.post("/pages/graphql", QUERY, headers);
      expect(answer, JSON.stringify(headers)).toMatchObject({ status: 403, code: "ORIGIN_REFUSED" });
    }
    expect((await ada.post("/pages/graphql", QUERY)).status).toBe(200);
    expect(await doneBy("ada")).toContainEqual({ verb: "pages.graphql", outcome: "denied", code: "ORIGIN_REFUSED" });
    for (const path of ["/pages/sign-in", "/pages/sign-out"]) {
      expect((await ada.post(path, { token: "x" }, { origin: "https://evil.example" })).code).toBe("ORIGIN_REFUSED");
    }
    expect((await ask(ada, QUERY.query)).status).toBe(200);
  });

  test("cannot point their own name here", async () => {
    expect(await ada.get("/pages/session", { host: "evil.example" })).toMatchObject({
      status: 400,
      code: "BAD_REQUEST",
    });
  });

  test("cannot have a download", async () => {
    expect(await ada.get("/pages/audit/export", { "sec-fetch-site": "cross-site" })).toMatchObject({
      status: 403,
      code: "ORIGIN_REFUSED",
    });
  });
});

describe("every answer under /pages/", () => {
  test("says what a page may load, without inline scripts, and is not kept where it holds data", async () => {
    for (const answer of [
      await ada.get("/pages/session"),
      await ask(ada, "{ me { name } }"),
      await ask(browser(work), "{ me { name } }"),
    ]) {
      const policy = answer.headers.get("content-security-policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self';");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
      expect(answer.headers.get("cache-control")).toBe("no-store");
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    }
  });

  test("takes each path by its method", async () => {
    expect(await ada.get("/pages/graphql")).toMatchObject({ status: 405, code: "METHOD_NOT_ALLOWED" });
    expect((await ada.get("/pages", {})).status).toBe(308);
    expect(await ada.get("/pages/oidc/start")).toMatchObject({ status: 404, code: "NOT_FOUND" });
  });
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
    const update = (scope: unknown, confirmWidening?: boolean) =>
      ask(
        ada,
        "mutation ($id: String!, $scope: JSON!, $confirm: Boolean) { updateScope(grantId: $id, scope: $scope, confirmWidening: $confirm) { scope } }",
        { id: alices.grantId, scope, confirm: confirmWidening },
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

    expect(await update(wider)).toMatchObject({ status: 409, code: "WIDENING_UNCONFIRMED" });
    expect(await doneBy("ada")).toContainEqual({
      verb: "pages.update_scope",
      outcome: "denied",
      code: "WIDENING_UNCONFIRMED",
    });
    expect((await update(wider, true)).data).toEqual({ updateScope: { scope: wider } });
    expect((await update(SCOPE)).data).toEqual({ updateScope: { scope: SCOPE } });
    const faulty = await update({ ...SCOPE, include_teams: 5 });
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
    expect(await doneBy("ada")).toContainEqual({ verb: "audit.exported", outcome: "served", code: "OK" });
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
      ["update_scope", `mutation { updateScope(grantId: "${id}", scope: ${scope}) { id } }`],
      ["preview_scope", `mutation { previewScope(grantId: "${id}", scope: ${scope}) { widens } }`],
      ["suspend_grant", `mutation { suspendGrant(grantId: "${id}") { id } }`],
      ["resume_grant", `mutation { resumeGrant(grantId: "${id}") { id } }`],
      ["register_resource", 'mutation { registerResource(name: "x", table: "app.teams") { name } }'],
      ["unregister_resource", 'mutation { unregisterResource(name: "tasks") }'],
      ["audit_verification", "{ auditVerification { intact } }"],
      ["candidate_tables", "{ candidateTables { table } }"],
      ["choices", "{ choices { users } }"],
      ["alerts", "{ alerts { id } }"],
      ["administrators", "{ administrators { name } }"],
    ] as const) {
      expect(await ask(alice, document), field).toMatchObject({ status: 403, code: "ADMINISTRATORS_ONLY" });
      refused.push({ verb: `pages.${field}`, outcome: "denied", code: "ADMINISTRATORS_ONLY" });
    }
    expect(await doneBy("alice")).toEqual(expect.arrayContaining(refused));
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
