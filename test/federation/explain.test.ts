import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import { HOME, WORK, task } from "../../src/demo/world.ts";
import type { Explanation, Visible } from "../../src/explain/explanation.ts";
import { derToPem } from "../../src/pki/der.ts";
import { auditRows, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";

const SCOPE = { resources: ["tasks", "credentials"], include_teams: ["platform"] };

let work: TestGateway;
let home: TestGateway;
let grant: TestGrant;

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
  grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
});

async function mosaic<T>(args: string[], input = ""): Promise<T> {
  const { code, stdout, stderr } = await runMosaic(
    ["federation", "grant", ...args, "--json", "--dir", work.directory],
    input,
  );
  return JSON.parse(code === 0 ? stdout : stderr) as T;
}

/** What the peer's user gets of a row: OK, or the code of the refusal. */
async function fetched(id: string): Promise<unknown> {
  const answer = await homeQuery(
    home,
    "alice-at-home",
    `{ get(resource: "tasks", id: "${id}", source: "federated:work.localhost") { rows } }`,
  );
  return answer.errors?.[0]?.extensions.code ?? "OK";
}

describe("mosaic federation grant explain", () => {
  test.each([
    [task(1), "OK", null],
    [task(3), "NOT_FOUND", "team"],
    [task(5), "NOT_FOUND", "personal"],
    [task(4), "NOT_FOUND", "team"],
    [task(6), "NOT_FOUND", "native"],
    [task(9), "NOT_FOUND", "native"],
  ])("says of row %s what the peer meets, %s, and what decides, %s", async (id, code, decidedBy) => {
    expect(await fetched(id)).toBe(code);
    const explained = await mosaic<Explanation>(["explain", grant.grantId, "tasks", id]);
    expect(explained).toMatchObject({ code, decidedBy, rows: [{ id, served: code === "OK" }] });
    const { code: exit, stdout } = await runMosaic([
      ..."federation grant explain".split(" "),
      grant.grantId,
      "tasks",
      id,
      "--dir",
      work.directory,
    ]);
    expect(exit).toBe(0);
    expect(stdout).toContain("home.localhost");
    expect(stdout).toContain(code === "OK" ? "tasks_read" : code);
  });

  test("lists rows of a filter, columns that stay, and refuses what it cannot read", async () => {
    const filtered = await mosaic<Explanation>(["explain", grant.grantId, "tasks", "--filter", "{}", "--most", "3"]);
    expect(filtered.rows).toHaveLength(3);
    const { columns } = await mosaic<Explanation>(["explain", grant.grantId, "credentials"]);
    expect(columns).toContainEqual({ name: "secret", leaves: false, decidedBy: "hidden column" });
    for (const [args, code] of [
      [["explain", grant.grantId, "tasks", "--most", "2"], "USAGE"],
      [["explain", grant.grantId, "tasks", task(1), "--most", "2"], "USAGE"],
      [["explain", grant.grantId, "tasks", "not a key"], "BAD_REQUEST"],
      [["explain", grant.grantId, "tasks", "--filter", '{"nothing": {"eq": 1}}'], "BAD_REQUEST"],
      [["visible", grant.grantId, "--samples", "21"], "BAD_REQUEST"],
    ] as const) {
      expect(await mosaic([...args]), args.join(" ")).toMatchObject({ error: { code } });
    }
  });

  test("is in the audit log, under the login of who asked", async () => {
    await mosaic(["explain", grant.grantId, "tasks", task(1)]);
    const { rows } = await work.pool.query<{ verb: string; resource: string; actor: string }>(
      `select verb, resource, actor from federation.list_audit($1, 1, verb => 'grant.explained')`,
      [grant.grantId],
    );
    expect(rows).toEqual([{ verb: "grant.explained", resource: "tasks", actor: "postgres" }]);
  });
});

describe("mosaic federation grant visible", () => {
  test("counts and shows what the peer lists, and what it would under another scope", async () => {
    const listed = await homeQuery(
      home,
      "alice-at-home",
      `{ list(resource: "tasks", first: 90, source: "federated:work.localhost") { rows } }`,
    );
    const rows = (listed.data as { list: { rows: { id: string }[] } }).list.rows.map(({ id }) => id);
    const seen = await mosaic<Visible>(["visible", grant.grantId, "--samples", "20"]);
    const tasks = seen.resources.find(({ resource }) => resource === "tasks");
    expect(seen.code).toBe("OK");
    expect(tasks).toMatchObject({ admitted: true, rows: rows.length, rowsOfSubject: 5 });
    expect(tasks?.samples.map(({ id }) => id)).toEqual(rows);

    const wider = { resources: ["tasks"], include_teams: "*", include_personal: true };
    const trial = await mosaic<Visible>(["visible", grant.grantId, "--scope", "-"], JSON.stringify(wider));
    expect(trial.resources.find(({ resource }) => resource === "tasks")).toMatchObject({ rows: 5 });
    expect(await fetched(task(5))).toBe("NOT_FOUND");
  });

  test("says that a suspended grant shows nothing, and what it would", async () => {
    await mosaic(["suspend", grant.grantId]);
    try {
      const seen = await mosaic<Visible>(["visible", grant.grantId]);
      expect(seen.code).toBe("GRANT_SUSPENDED");
      expect(seen.resources.find(({ resource }) => resource === "tasks")).toMatchObject({ rows: 2 });
      expect(await mosaic<Explanation>(["explain", grant.grantId, "tasks", task(1)])).toMatchObject({
        code: "GRANT_SUSPENDED",
        decidedBy: "grant",
      });
    } finally {
      await mosaic(["resume", grant.grantId]);
    }
  });
});

describe("the home API", () => {
  const ask = (user: string, query: string): ReturnType<typeof homeQuery> => homeQuery(work, user, query);
  const explain = (id: string): string =>
    `{ explain(grant: "${grant.grantId}", resource: "tasks", id: "${id}") {
         code decidedBy maxRowsPerQuery stages { stage passes reason teams } columns { name leaves decidedBy }
         rows { id exists served decidedBy native personal team teamOfSubject cap policies { name kind admits reason } } } }`;

  test("explains a grant to its subject, and rows that are not the subject's as rows that are not there", async () => {
    const { data } = await ask("alice", explain(task(3)));
    expect(data).toMatchObject({ explain: { code: "NOT_FOUND", decidedBy: "team", rows: [{ exists: true }] } });
    const unseen = async (id: string): Promise<unknown> =>
      JSON.parse(JSON.stringify((await ask("alice", explain(id))).data).replaceAll(id, "the row"));
    expect(await unseen(task(6))).toMatchObject({ explain: { decidedBy: "native", rows: [{ exists: null }] } });
    expect(await unseen(task(6))).toEqual(await unseen(task(9)));
    const credentials = await ask(
      "alice",
      `{ explain(grant: "${grant.grantId}", resource: "credentials") { columns { name } } }`,
    );
    expect(JSON.stringify(credentials.data)).toContain('"owner_id"');
    expect(JSON.stringify(credentials)).not.toContain("secret");
    const visible = await ask(
      "alice",
      `{ visible(grant: "${grant.grantId}", samples: 1) { code resources { resource admitted reason rows rowsOfSubject more samples } } }`,
    );
    expect(visible.data).toMatchObject({ visible: { code: "OK" } });
    expect(JSON.stringify(visible.data)).toContain('"rowsOfSubject":5');
  });

  test("explains it to nobody else, and refuses what is no question", async () => {
    for (const [query, user, code] of [
      [explain(task(1)), "bob", "NOT_FOUND"],
      [`{ visible(grant: "${grant.grantId}") { code } }`, "bob", "NOT_FOUND"],
      [`{ visible(grant: "no uuid") { code } }`, "alice", "BAD_REQUEST"],
      [`{ explain(grant: "${grant.grantId}", resource: "tasks", most: 500) { code } }`, "alice", "BAD_REQUEST"],
      [`{ explain(grant: "${grant.grantId}", resource: "tasks", id: "x") { code } }`, "alice", "BAD_REQUEST"],
    ] as const) {
      const { errors } = await ask(user, query);
      expect(errors?.[0]?.extensions.code, query).toBe(code);
    }
  });
});

describe("a peer", () => {
  test("has no verb that explains, and learns of a row out of scope what it learns of none: its status and code", async () => {
    const say = (documentId: string, variables: unknown): ReturnType<typeof mtlsRequest> =>
      mtlsRequest({
        url: work.gateway.federationUrl,
        ca: derToPem(grant.enrolled.rootDer, "CERTIFICATE"),
        ...credentialsOf(grant.enrolled),
        body: { documentId, variables },
      });
    for (const verb of ["explain", "visible", "explain_for_user"]) {
      const answer = await say(verb, { grant: grant.grantId, resource: "tasks", id: task(3) });
      expect([answer.status, answer.code], verb).toEqual([400, "BAD_REQUEST"]);
      expect(JSON.stringify(answer.body)).not.toContain("tasks_scope");
    }
    const [hidden, absent] = [
      await say("get", { resource: "tasks", id: task(3) }),
      await say("get", { resource: "tasks", id: task(9) }),
    ];
    expect([hidden.status, hidden.code]).toEqual([404, "NOT_FOUND"]);
    expect([absent.status, absent.code]).toEqual([404, "NOT_FOUND"]);
    const refused = (await auditRows(work, grant.grantId)).filter(({ code }) => code === "BAD_REQUEST");
    expect(refused).toHaveLength(3);
  });
});
