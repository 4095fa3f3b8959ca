import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WORK } from "../../src/demo/world.ts";
import { auditRows, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { openProvider } from "../harness/oidc-provider.ts";
import type { TestProvider } from "../harness/oidc-provider.ts";
import { ask, browser } from "../harness/pages.ts";
import type { Browser, PagesAnswer } from "../harness/pages.ts";

let provider: TestProvider;
let work: TestGateway;

beforeAll(async () => {
  provider = await openProvider({
    id: "mosaic-pages",
    secret: "a secret of a test, long enough",
    redirectUris: () => [`${work.gateway.homeUrl}/pages/oidc/callback`],
  });
  work = await openTestGateway("work.localhost", WORK, {
    pages: { oidc: { issuer: provider.issuer, clientId: "mosaic-pages", userClaim: "mosaic_user" } },
  });
  writeFileSync(join(work.directory, "secrets", "oidc-client-secret"), "a secret of a test, long enough\n", {
    mode: 0o600,
  });
  await work.restart();
  await work.pool.query("select federation.add_administrator('ada', $1, 'subject-of-ada')", [provider.issuer]);
}, 120_000);
afterAll(async () => {
  await work.stop();
  await provider.close();
});

/** Goes to the provider and back, up to the address by which the browser comes back. */
async function atProvider(from: Browser): Promise<{ begun: PagesAnswer; back: string }> {
  const begun = await from.get("/pages/oidc/start");
  const cookies = new Map<string, string>();
  let place = begun.headers.get("location") ?? "";
  while (!place.startsWith(work.gateway.homeUrl)) {
    const response = await fetch(new URL(place, provider.issuer), {
      redirect: "manual",
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      cookies.set(name, value);
    }
    const next = response.headers.get("location");
    if (next === null) {
      throw new Error(`the provider answered ${response.status}: ${await response.text()}`);
    }
    place = new URL(next, provider.issuer).href;
  }
  return { begun, back: place.slice(work.gateway.homeUrl.length) };
}

describe("signing in by the provider", () => {
  test("makes an administrator of a subject that was added, and the log says so", async () => {
    provider.account("subject-of-ada", "alice");
    const fresh = browser(work);
    expect((await fresh.get("/pages/session")).body).toEqual({ person: null, oidc: true });
    const { begun, back } = await atProvider(fresh);
    expect(begun.status).toBe(302);
    expect(begun.headers.get("location")).toMatch(/code_challenge_method=S256/);
    expect(begun.cookies[0]).toMatch(
      /^mosaic-oidc=[\w-]+; Path=\/pages\/; HttpOnly; Secure; SameSite=Lax; Max-Age=600$/,
    );
    const done = await fresh.get(back, { "sec-fetch-site": "cross-site" });
    expect(done.status).toBe(200);
    expect(done.cookies[0]).toContain("mosaic-oidc=;");
    expect(done.cookies[1]).toMatch(/^mosaic-session=[\w-]{43}; Path=\/pages\/; HttpOnly; Secure; SameSite=Strict$/);
    expect(done.text).toContain('content="0; url=/pages/"');
    expect((await ask(fresh, "{ me { name isAdministrator signedInBy } }")).data).toEqual({
      me: { name: "ada", isAdministrator: true, signedInBy: "oidc" },
    });
    const { rows } = await work.pool.query(
      "select actor, details ->> 'by' as by from federation.list_audit(limit_rows => 1) where verb = 'pages.signed_in'",
    );
    expect(rows).toEqual([{ actor: "ada", by: "oidc" }]);
  });

  test("makes a local user of whoever the configured claim names", async () => {
    provider.account("somebody", "bob");
    const fresh = browser(work);
    await fresh.get((await atProvider(fresh)).back);
    expect((await ask(fresh, "{ me { name isAdministrator } }")).data).toEqual({
      me: { name: "bob", isAdministrator: false },
    });
    await work.pool.query("insert into app.users values ('temporary', 'T', 't@work.example')");
    provider.account("somebody-else", "temporary");
    const leaving = browser(work);
    await leaving.get((await atProvider(leaving)).back);
    expect((await ask(leaving, "{ me { name } }")).status).toBe(200);
    await work.pool.query("delete from app.users where id = 'temporary'");
    expect(await ask(leaving, "{ me { name } }")).toMatchObject({ status: 401, code: "UNAUTHENTICATED" });
  });

  test("is refused to whoever is nobody here: 401 UNAUTHENTICATED, without a cookie, and in the log", async () => {
    for (const user of [undefined, "nobody"]) {
      provider.account("stranger", user);
      const fresh = browser(work);
      const done = await fresh.get((await atProvider(fresh)).back);
      expect(done.status).toBe(401);
      expect(done.text).toContain("/pages/?refused=UNAUTHENTICATED");
      expect(done.cookies.join()).not.toContain("mosaic-session");
    }
    const [row] = (await auditRows(work)).filter(({ verb }) => verb === "pages.sign_in");
    expect(row).toMatchObject({ outcome: "denied", code: "UNAUTHENTICATED" });
  });

  test("is refused to another browser than the one that began it, to a forged state and a second time", async () => {
    provider.account("subject-of-ada");
    const begun = browser(work);
    const { back } = await atProvider(begun);
    const victim = browser(work);
    expect((await victim.get(back)).status).toBe(401);
    await victim.get("/pages/oidc/start");
    expect((await victim.get(back)).status).toBe(401);
    expect((await begun.get(back.replace(/state=[^&]+/, "state=forged"))).status).toBe(401);
    const again = browser(work);
    const second = (await atProvider(again)).back;
    expect((await again.get(second)).status).toBe(200);
    expect((await again.get(second)).status).toBe(401);
  });

  test("ends the session that the browser had when it went to the provider", async () => {
    const fresh = browser(work);
    provider.account("subject-of-ada");
    await fresh.get((await atProvider(fresh)).back);
    const sessions = async (): Promise<string[]> => {
      const { rows } = await work.pool.query<{ hash: string }>(
        "select session_hash::text as hash from federation.federation_browser_sessions",
      );
      return rows.map(({ hash }) => hash);
    };
    const before = await sessions();
    // The strict cookie goes along to where the page begins, and not with the answer of the provider.
    const back = (await atProvider(fresh)).back;
    const done = await fresh.get(back, { cookie: fresh.cookie("mosaic-oidc") });
    expect(done.status).toBe(200);
    const after = await sessions();
    expect(after).toHaveLength(before.length);
    expect(before.filter((hash) => !after.includes(hash))).toHaveLength(1);
    expect((await ask(fresh, "{ me { name } }")).status).toBe(200);
  });

  test("is for the subject of the provider that the administrator was added for, and of no other", async () => {
    await work.pool.query("select federation.add_administrator('eve', 'https://other.example', 'subject-of-eve')");
    provider.account("subject-of-eve");
    const fresh = browser(work);
    expect((await fresh.get((await atProvider(fresh)).back)).status).toBe(401);
  });

  test("that this browser did not begin is no attempt: 401, without a row of the log, and nobody is kept from signing in", async () => {
    const attempts = async (): Promise<number> =>
      (await auditRows(work)).filter(({ verb }) => verb === "pages.sign_in").length;
    const before = await attempts();
    for (let n = 0; n < 61; n += 1) {
      const answer = await browser(work).get("/pages/oidc/callback?code=x&state=y", { "sec-fetch-site": "cross-site" });
      expect(answer.status).toBe(401);
      expect(answer.text).toContain("/pages/?refused=UNAUTHENTICATED");
    }
    expect(await attempts()).toBe(before);
    // Not the bucket, and no lock either where it is used up by failures.
    for (let n = 0; n < 61; n += 1) {
      await browser(work).post("/pages/sign-in", { token: "mosaic_wrong" });
    }
    provider.account("subject-of-ada");
    const fresh = browser(work);
    expect((await fresh.get((await atProvider(fresh)).back)).status).toBe(200);
  });
});
