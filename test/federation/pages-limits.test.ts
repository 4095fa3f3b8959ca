import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from "vitest";
import { WORK } from "../../src/demo/world.ts";
import { createGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { addAdministrator, ask, doneBy, signInByToken, userToken } from "../harness/pages.ts";
import type { Browser } from "../harness/pages.ts";

const VISIBLE = "mutation ($id: String!) { visible(grantId: $id, samples: 5) { resources { resource rows samples } } }";

let work: TestGateway;
let bobs: string;
let ada: Browser, bob: Browser;

beforeAll(async () => {
  work = await openTestGateway("work.localhost", WORK);
  await work.pool.query("insert into app.notes (title, body, owner_id) values ('Diary of Carol', '', 'carol')");
  ({ grantId: bobs } = await createGrant(work, "bob", {
    resources: ["notes"],
    include_teams: "*",
    include_personal: true,
  }));
  ada = await signInByToken(work, await addAdministrator(work, "ada"));
  bob = await signInByToken(work, (await userToken(work, "bob")).token);
}, 120_000);
afterAll(() => work.stop());
afterEach(() => work.pool.query("drop policy if exists of_the_application on app.notes"));

/** A policy that the application has beside those that are there. */
async function policy(condition: string): Promise<void> {
  await work.pool.query(`create policy of_the_application on app.notes for select using (${condition})`);
}

/** By which login the gateway serves. */
function gatewayLogin(): string {
  if (inject("template").kind === "pglite") {
    return "postgres";
  }
  return new URL(readFileSync(join(work.directory, "secrets", "gateway-database-url"), "utf8").trim()).username;
}

describe("what the policies decide for whoever is signed in", () => {
  test("is asked by the login that serves peers: one that reads session_user shows no more", async () => {
    await policy(`session_user <> '${gatewayLogin()}'`);
    for (const [who, browser] of Object.entries({ bob, ada })) {
      const seen = await ask(browser, VISIBLE, { id: bobs });
      expect(seen.status, who).toBe(200);
      expect(seen.text, who).toContain("On-call handbook");
      expect(seen.text, who).not.toContain("Diary of Carol");
      const explained = await ask(
        browser,
        'mutation ($id: String!) { explain(grantId: $id, resource: "notes", filter: {}) { rows { id } } }',
        { id: bobs },
      );
      expect((explained.data?.["explain"] as { rows: unknown[] }).rows, who).toHaveLength(1);
    }
    const preview = await ask(
      ada,
      "mutation ($id: String!, $scope: JSON!) { previewScope(grantId: $id, scope: $scope) { resources { rowsAfter } } }",
      { id: bobs, scope: { resources: ["notes"], include_teams: "*", include_personal: true } },
    );
    expect((preview.data?.["previewScope"] as { resources: { rowsAfter: number }[] }).resources).toContainEqual({
      rowsAfter: 1,
    });
  });

  test("shows no value of a row by its fault: 500 INTERNAL, in the log", async () => {
    await policy("case when owner_id = 'carol' then title::int > 0 else false end");
    for (const [who, browser] of Object.entries({ bob, ada })) {
      const failed = await ask(browser, VISIBLE, { id: bobs });
      expect(failed, who).toMatchObject({ status: 500, code: "INTERNAL" });
      expect(failed.text, who).not.toContain("Diary");
      expect(failed.text, who).not.toContain("Salary");
      expect(await doneBy(work, who)).toContainEqual({ verb: "pages.visible", outcome: "failed", code: "INTERNAL" });
    }
  });
});

describe("a request", () => {
  test("asks for three things at most, whatever they are called and written in: 400 BAD_REQUEST, and nothing is done", async () => {
    const me = "me { name }";
    expect((await ask(bob, `{ a: ${me} b: ${me} c: ${me} }`)).status).toBe(200);
    for (const document of [
      `{ a: ${me} b: ${me} c: ${me} d: ${me} }`,
      `{ a: ${me} ...F ... { c: ${me} } } fragment F on Query { b: ${me} ...G } fragment G on Query { d: ${me} }`,
      `mutation { ${["a", "b", "c", "d"].map((name) => `${name}: revokeGrant(grantId: "${bobs}", reason: "x") { id }`).join(" ")} }`,
    ]) {
      expect(await ask(bob, document), document).toMatchObject({ status: 400, code: "BAD_REQUEST" });
    }
    expect((await ask(bob, `{ grant(id: "${bobs}") { status } }`)).data).toEqual({ grant: { status: "pending" } });
  });
});

describe("a session", () => {
  test("is refused 60 times a minute with a row of the log, and then 429 RATE_LIMITED without", async () => {
    const carol = await signInByToken(work, (await userToken(work, "carol")).token);
    const three = "{ a: alerts { id } b: auditVerification { intact } c: choices { users } }";
    for (let n = 0; n < 20; n += 1) {
      expect(await ask(carol, three)).toMatchObject({ status: 403, code: "ADMINISTRATORS_ONLY" });
    }
    const refused = await ask(carol, three);
    expect(refused).toMatchObject({ status: 429, code: "RATE_LIMITED" });
    const rows = (await doneBy(work, "carol")).filter(({ outcome }) => outcome === "denied");
    expect(rows).toHaveLength(60);
    expect(new Set(rows.map(({ code }) => code))).toEqual(new Set(["ADMINISTRATORS_ONLY"]));
    expect((await ask(carol, "{ me { name } }")).status).toBe(200);
  });

  test("asks 600 times a minute, then 429 RATE_LIMITED with Retry-After; another session is answered", async () => {
    const busy = await signInByToken(work, (await userToken(work, "carol")).token);
    for (let n = 0; n < 60; n += 1) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask(busy, "{ me { name } }")));
      expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    }
    const refused = await ask(busy, "{ me { name } }");
    expect(refused).toMatchObject({ status: 429, code: "RATE_LIMITED" });
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect((await busy.get("/pages/audit/export")).status).toBe(429);
    expect((await ask(bob, "{ me { name } }")).status).toBe(200);
  }, 60_000);
});

// The embedded database runs one statement at a time, whoever asks.
describe.runIf(inject("template").kind === "postgres")("what takes long", () => {
  const running = async (): Promise<number> => {
    const { rows } = await work.pool.query<{ n: number }>(
      `select count(*)::int as n from pg_stat_activity
       where datname = current_database() and state = 'active' and query like 'select admin_api."visible"%'`,
    );
    return rows[0]?.n ?? 0;
  };

  test("goes one after the other for each person, and others are answered meanwhile", async () => {
    await policy("pg_sleep(0.2) is null");
    const asked = Array.from({ length: 4 }, () => ask(bob, VISIBLE, { id: bobs }));
    const seen: number[] = [];
    const done = Promise.all(asked).then((answers) => {
      seen.push(-1);
      return answers;
    });
    await expect.poll(running, { interval: 20 }).toBe(1);
    while (!seen.includes(-1)) {
      expect((await ask(ada, "{ me { name } }")).status).toBe(200);
      seen.push(await running());
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(Math.max(...seen)).toBe(1);
    expect((await done).map(({ status }) => status)).toEqual(Array.from({ length: 4 }, () => 200));
  });

  test("ends when the browser hangs up, and what it asked for behind it is not begun", async () => {
    await policy("pg_sleep(30) is null");
    const controller = new AbortController();
    const hung = bob.post(
      "/pages/graphql",
      {
        query: `mutation { visible(grantId: "${bobs}") { code } revokeGrant(grantId: "${bobs}", reason: "behind it") { id } }`,
      },
      {},
      controller.signal,
    );
    await expect.poll(running).toBe(1);
    controller.abort();
    await expect(hung).rejects.toThrow("aborted");
    await expect.poll(running, { timeout: 3_000 }).toBe(0);
    expect(await doneBy(work, "bob")).toContainEqual({ verb: "pages.visible", outcome: "denied", code: "CANCELLED" });
    expect((await ask(bob, `{ grant(id: "${bobs}") { status } }`)).data).toEqual({ grant: { status: "pending" } });
  });

  test("may take longer than a request of a peer", async () => {
    const ms = work.gateway.config.limits.statementTimeoutMs;
    expect(ms).toBe(10_000);
    await policy(`title <> 'Diary of Carol' or pg_sleep(${(ms + 1_500) / 1_000 / 2}) is null`);
    expect((await ask(bob, VISIBLE, { id: bobs })).status).toBe(200);
  }, 60_000);
});
