import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME, WORK } from "../../src/demo/world.ts";
import { appendAt } from "../harness/audit.ts";
import { auditRows, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { addAdministrator, ask, browser, doneBy, signInByToken, userToken } from "../harness/pages.ts";
import type { Browser } from "../harness/pages.ts";

/** A grant of which the audit log has more rows than one page of a file. */
const GRANT = "00000000-0000-4000-8000-0000000000aa";

let work: TestGateway;
let ada: Browser;

beforeAll(async () => {
  work = await openTestGateway("work.localhost", WORK);
  ada = await signInByToken(work, await addAdministrator(work, "ada"));
}, 120_000);
afterAll(() => work.stop());

describe("signing in", () => {
  test("by a token brings a cookie that no script, no other site and no connection in the clear has", async () => {
    const fresh = browser(work);
    const answer = await fresh.post("/pages/sign-in", { token: await addAdministrator(work, "grace") });
    expect(answer.status).toBe(200);
    expect(answer.body["person"]).toMatchObject({ name: "grace", isAdministrator: true, signedInBy: "token" });
    const [cookie = ""] = answer.cookies;
    expect(cookie).toMatch(/^mosaic-session=[\w-]{43}; Path=\/pages\/; HttpOnly; Secure; SameSite=Strict$/);
    const { rows } = await work.pool.query(
      "select session_hash::text as hash from federation.federation_browser_sessions",
    );
    expect(JSON.stringify(rows)).not.toContain(/=([\w-]{43});/.exec(cookie)?.[1] ?? "none");
    expect(await doneBy(work, "grace")).toContainEqual({ verb: "pages.signed_in", outcome: "served", code: "OK" });
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
    expect((await fresh.get("/pages/session")).body["person"]).toMatchObject({ name: "bob", isAdministrator: false });
    expect((await fresh.post("/pages/sign-out", {})).status).toBe(204);
    expect((await fresh.get("/pages/session")).body["person"]).toBeNull();
  });

  test("ends the session that the browser had", async () => {
    const first = await addAdministrator(work, "first");
    const stale = await signInByToken(work, first);
    const answer = await stale.get("/pages/session");
    expect(answer.status).toBe(200);
    const left = async (): Promise<string[]> => {
      const { rows } = await work.pool.query<{ name: string }>(
        `select a.name from federation.federation_browser_sessions s join federation.federation_administrators a on a.id = s.administrator_id
         where a.name in ('first', 'second') order by 1`,
      );
      return rows.map(({ name }) => name);
    };
    expect(await left()).toEqual(["first"]);
    await stale.post("/pages/sign-in", { token: await addAdministrator(work, "second") });
    expect(await left()).toEqual(["second"]);
    expect(await doneBy(work, "first")).toContainEqual({ verb: "pages.signed_out", outcome: "served", code: "OK" });
  });

  test("is limited for each address where it fails: 429 RATE_LIMITED with Retry-After, and no row more; a token that is one signs in", async () => {
    const limited = await openTestGateway("limited.localhost", HOME);
    try {
      const token = await addAdministrator(limited, "ada");
      const tries: number[] = [];
      let refused: Awaited<ReturnType<Browser["post"]>> | undefined;
      for (let n = 0; n < 61; n += 1) {
        refused = await browser(limited).post("/pages/sign-in", { token: "mosaic_wrong" });
        tries.push(refused.status);
      }
      expect(tries.filter((status) => status === 401)).toHaveLength(60);
      expect(refused).toMatchObject({ status: 429, code: "RATE_LIMITED" });
      expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(0);
      expect((await ask(await signInByToken(limited, token), "{ me { name } }")).data).toEqual({ me: { name: "ada" } });
      expect((await auditRows(limited)).filter(({ verb }) => verb === "pages.sign_in")).toHaveLength(60);
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

  test("after 30 minutes in which the person did nothing but take a file of the audit log, however slowly", async () => {
    const rows = Array.from({ length: 1_001 }, () => ({
      ...{ at: new Date().toISOString(), grant_id: GRANT },
    }));
    await appendAt(work.pool, rows, "requests-1");
    const slow = await signInByToken(work, await addAdministrator(work, "slow"));
    const own = "where administrator_id = (select id from federation.federation_administrators where name = 'slow')";
    // Half an hour passes, but for a minute, between the first page of the file and the next.
    await work.pool.query(
      `alter function admin_api.audit_exported() rename to audit_exported_away;
       create function admin_api.audit_exported() returns jsonb language plpgsql volatile security definer as $$
       begin
         update federation.federation_browser_sessions set last_seen_at = now() - interval '29 minutes' ${own};
         return admin_api.audit_exported_away();
       end $$;
       grant execute on function admin_api.audit_exported() to federation_pages`,
    );
    try {
      const { status, text } = await slow.get(`/pages/audit/export?grantId=${GRANT}`);
      expect([status, text.trim().split("\n").length]).toEqual([200, rows.length]);
    } finally {
      await work.pool.query(
        "drop function admin_api.audit_exported(); alter function admin_api.audit_exported_away() rename to audit_exported",
      );
    }
    await work.pool.query(
      `update federation.federation_browser_sessions set last_seen_at = last_seen_at - interval '2 minutes' ${own}`,
    );
    expect(await ask(slow, "{ me { name } }")).toMatchObject({ status: 401, code: "UNAUTHENTICATED" });
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
    const foreign = [
      { origin: undefined },
      { origin: "https://evil.example" },
      { origin: "null" },
      { origin: own.replace("127.0.0.1", "localhost") },
      { origin: own, "mosaic-pages": "0" },
      { origin: own, "sec-fetch-site": "cross-site" },
    ];
    for (const headers of foreign) {
      const answer = await ada.post("/pages/graphql", QUERY, headers);
      expect(answer, JSON.stringify(headers)).toMatchObject({ status: 403, code: "ORIGIN_REFUSED" });
    }
    expect((await ada.post("/pages/graphql", QUERY)).status).toBe(200);
    const refusal = { verb: "pages.graphql", outcome: "denied", code: "ORIGIN_REFUSED" };
    expect((await doneBy(work, "ada")).filter(({ code }) => code === "ORIGIN_REFUSED")).toEqual(
      foreign.map(() => refusal),
    );
    for (const path of ["/pages/sign-in", "/pages/sign-out"]) {
      expect((await ada.post(path, { token: "x" }, { origin: "https://evil.example" })).code).toBe("ORIGIN_REFUSED");
    }
    expect((await ask(ada, QUERY.query)).status).toBe(200);
  });

  test("keep no idle session alive, and fill no log", async () => {
    const idle = await signInByToken(work, await addAdministrator(work, "misused"));
    const own = "where administrator_id = (select id from federation.federation_administrators where name = 'misused')";
    await work.pool.query(
      `update federation.federation_browser_sessions set last_seen_at = now() - interval '29 minutes' ${own}`,
    );
    for (let n = 0; n < 61; n += 1) {
      const answer = await idle.post("/pages/graphql", QUERY, { origin: "https://evil.example" });
      expect(answer).toMatchObject({ status: 403, code: "ORIGIN_REFUSED" });
    }
    const { rows } = await work.pool.query<{ old: boolean }>(
      `select last_seen_at < now() - interval '28 minutes' as old from federation.federation_browser_sessions ${own}`,
    );
    expect(rows).toEqual([{ old: true }]);
    const logged = (await doneBy(work, "misused")).filter(({ code }) => code === "ORIGIN_REFUSED");
    expect(logged.length).toBeGreaterThan(0);
    expect(logged.length).toBeLessThanOrEqual(60);
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
