import { randomBytes } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createToken } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { HomeAnswer, TestGateway } from "../harness/gateway.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const SOURCE = "federated:work.localhost";
const NEEDLE = `needle${randomBytes(8).toString("hex")}`;
const TRACE = randomBytes(16).toString("hex");

let work: TestGateway;
let home: TestGateway;
let spent: { token: string; url: string };
beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
  await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
  spent = await createGrant(work, "bob", SCOPE);
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
});

const list = (source: string): Promise<HomeAnswer> =>
  homeQuery(
    home,
    "alice-at-home",
    `query ($filter: JSON, $source: String!) { list(resource: "tasks", source: $source, filter: $filter) { rows } }`,
    { source, filter: { title: { ne: NEEDLE } } },
    { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
  );
const linesOf = (gateway: TestGateway): Record<string, unknown>[] =>
  gateway
    .log()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
const failures = (gateway: TestGateway): Record<string, unknown>[] =>
  linesOf(gateway).filter(({ level, traceId }) => level === 50 && traceId !== undefined);

describe("the log of a gateway", () => {
  test("has of a request that fails its id and its trace, the same at both gateways", async () => {
    for (const gateway of [work, home]) {
      await gateway.pool.query(
        "create policy broken on app.tasks as restrictive using (1 / (length(title) - length(title)) = 1)",
      );
    }
    try {
      expect((await list(SOURCE)).errors?.[0]?.extensions.code).toBe("PEER_UNREACHABLE");
      expect((await list("local")).errors).toHaveLength(1);
    } finally {
      for (const gateway of [work, home]) {
        await gateway.pool.query("drop policy broken on app.tasks");
      }
    }
    expect((await list("all")).errors).toBeUndefined();
    const [failed, ...others] = failures(work);
    expect(others.every(({ traceId }) => traceId === TRACE)).toBe(true);
    expect(failed).toMatchObject({
      traceId: TRACE,
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      err: { type: "DatabaseError", code: expect.any(String) as unknown },
    });
    expect(failures(home)[0]).toMatchObject({
      traceId: TRACE,
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
    });
  });

  test("has no token, key, password, parameter or row, byte by byte", async () => {
    const token = await createToken(home.directory, "alice-at-home");
    await homeQuery(home, "alice-at-home", `{ list(resource: "${NEEDLE}") { rows } ${NEEDLE} }`);
    const mistyped = 'query ($n: Int!) { list(resource: "tasks", first: $n) { rows } }';
    const refused = await homeQuery(home, "alice-at-home", mistyped, { n: NEEDLE });
    expect(refused.errors?.map(({ extensions }) => extensions.code)).toEqual(["BAD_REQUEST"]);
    await fetch(`${home.gateway.homeUrl}/graphql`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: `{"query": ${NEEDLE}`,
    });
    // An enrollment that is refused, and a token that is none.
    await enrollGrant(work, home, "carol", "bob-at-home", SCOPE);
    await fetch(`${home.gateway.homeUrl}/graphql`, { method: "POST", headers: { authorization: `Bearer ${NEEDLE}` } });
    // Each starts and stops once more: what it reads then, it might write.
    await Promise.all([work.restart(), home.restart()]);
    await list("all");

    const texts = work.log() + home.log();
    expect(texts).toContain('"msg":"serving"');
    const rows = [...WORK.tasks, ...HOME.tasks].map(({ title }) => String(title));
    const secrets = [
      ...[NEEDLE, token, spent.token, spent.url, "BEGIN PRIVATE KEY", "Bearer ey"],
      ...[...secretsOf(work), ...secretsOf(home)],
      ...rows,
    ];
    expect(secrets.length).toBeGreaterThan(10);
    expect(secrets.filter((secret) => texts.includes(secret))).toEqual([]);
  });
});

/** Every value that is in the files of a gateway's secrets, and the passwords of the URLs among them. */
function secretsOf({ directory, gateway }: TestGateway): string[] {
  const folder = join(directory, "secrets");
  const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), "utf8").trim());
  expect(texts.length, gateway.config.host).toBeGreaterThan(0);
  return texts.flatMap((text) => {
    const password = URL.parse(text)?.password;
    const quoted = [...text.matchAll(/"([\w+/=-]{20,})"/g)].map(([, value = ""]) => value);
    return [text, ...quoted, ...(password === undefined || password === "" ? [] : [password])];
  });
}
