import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { derToPem } from "../../src/pki/der.ts";
import { auditRows, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";

// PostgreSQL as its package brings it has no pgvector; the embedded database and the one of tier federated have.
const template = inject("template");
const hasVector = template.kind === "pglite" || template.services !== undefined;

const SCOPE = {
  resources: ["tasks", "notes", "credentials", "ideas"],
  excluded_resources: ["credentials"],
  include_teams: ["platform"],
  include_personal: true,
};

let work: TestGateway;
let home: TestGateway;
let grant: TestGrant;

beforeAll(async () => {
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK),
    openTestGateway("home.localhost", {
      ...HOME,
      notes: [{ title: "Garden plan", body: "Tomatoes", owner_id: "alice-at-home", team_id: null }],
    }),
  ]);
  await work.pool.query(`${hasVector ? "create extension if not exists vector;" : ""}
    create table app.ideas (
      id integer primary key, title text not null, owner_id text not null, team_id text${hasVector ? ", meaning vector(3)" : ""}
    );
    insert into app.ideas (id, title, owner_id${hasVector ? ", meaning" : ""}) values
      (1, 'A garden of servers', 'alice'${hasVector ? ", '[1,0,0]'" : ""}),
      (2, 'Roses and thorns', 'alice'${hasVector ? ", '[0.9,0.1,0]'" : ""}),
      (3, 'Far away', 'alice'${hasVector ? ", '[0,0,1]'" : ""}),
      (4, 'Nearest of all, and hidden', 'bob'${hasVector ? ", '[1,0.01,0]'" : ""});
    select federation.register_resource('ideas', 'app.ideas', 'owner_id', 'team_id', '{title}'${
      hasVector ? ", embedding_column => 'meaning'" : ""
    })`);
  grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

interface Answer {
  status: number;
  data?: { search: { hits: { resource: string; id: string; row: { title: string }; rank: number }[] } };
  code?: string;
  text: string;
}
async function say(variables: Record<string, unknown>): Promise<Answer> {
  const { status, body } = await mtlsRequest({
    url: work.gateway.federationUrl,
    ca: derToPem(grant.enrolled.rootDer, "CERTIFICATE"),
    ...credentialsOf(grant.enrolled),
    body: { documentId: "search", variables },
  });
  const answer = body as { data?: Answer["data"]; errors?: { extensions: { code: string } }[] };
  const code = answer.errors?.[0]?.extensions.code;
  return {
    status: status ?? 0,
    ...(answer.data === undefined ? {} : { data: answer.data }),
    ...(code === undefined ? {} : { code }),
    text: JSON.stringify(body),
  };
}
const titles = (answer: Answer): string[] => answer.data?.search.hits.map(({ row }) => row.title) ?? [];

describe("the verb search", () => {
  test("returns ranked hits of the resources in scope, and nothing of an excluded one", async () => {
    expect(titles(await say({ query: "plan or certificate" })).sort()).toEqual([
      "Renew the TLS certificate",
      "Review the failover plan",
    ]);
    expect(titles(await say({ query: "deploy key" }))).toEqual([]);
    expect((await say({ query: "never leaves" })).text).not.toContain("never leaves");
  });

  test.each([
    [{ query: "deploy", resources: ["credentials"] }, 403, "RESOURCE_DENIED"],
    [{ query: "deploy", resources: ["projects"] }, 403, "RESOURCE_DENIED"],
    [{ query: "" }, 400, "BAD_REQUEST"],
    [{ query: "x".repeat(257) }, 400, "BAD_REQUEST"],
    [{ query: "x", order: [] }, 400, "BAD_REQUEST"],
    [{ query: "x", mode: "hybrid" }, 400, "BAD_REQUEST"],
    [{ query: "x", vector: ["1"], mode: "hybrid" }, 400, "BAD_REQUEST"],
  ])("refuses %j with %i %s, and the audit row says so", async (variables, status, code) => {
    expect(await say(variables)).toMatchObject({ status, code });
    const [row] = await auditRows(work, grant.grantId);
    expect(row).toMatchObject({ outcome: "denied", code });
  });

  test("leaves an audit row with the number of hits and the hash of what was asked, and none of it", async () => {
    const word = "quetzalcoatlus";
    await work.pool.query("insert into app.ideas (id, title, owner_id) values (9, $1, 'alice')", [`A ${word}`]);
    expect(titles(await say({ query: word, resources: ["ideas"] }))).toEqual([`A ${word}`]);
    await auditRows(work);
    const { rows } = await work.pool.query<{ said: string; row_count: number }>(
      `select to_jsonb(l)::text as said, row_count from federation.federation_audit_log l
       where verb = 'search' and resource = 'ideas' order by id desc limit 1`,
    );
    expect(rows[0]?.row_count).toBe(1);
    expect(rows[0]?.said).toMatch(/"query_hash": "\\\\x[0-9a-f]{64}"/);
    const { rows: log } = await work.pool.query<{ found: boolean }>(
      "select exists (select from federation.federation_audit_log l where to_jsonb(l)::text ilike '%' || $1 || '%') as found",
      [word],
    );
    expect(log).toEqual([{ found: false }]);
    await work.pool.query("delete from app.ideas where id = 9");
  });

  test("is among the capabilities, with what each resource can be searched by", async () => {
    const { body } = await mtlsRequest({
      url: work.gateway.federationUrl,
      ca: derToPem(grant.enrolled.rootDer, "CERTIFICATE"),
      ...credentialsOf(grant.enrolled),
      body: { documentId: "capabilities" },
    });
    const { capabilities } = (body as { data: { capabilities: { verbs: string[]; resources: object[] } } }).data;
    expect(capabilities.verbs).toContain("search");
    expect(capabilities.resources).toContainEqual(
      expect.objectContaining({ name: "ideas", searchable: true, embeddingDimensions: hasVector ? 3 : null }),
    );
  });
});

describe.runIf(hasVector)("a hybrid search", () => {
  const hybrid = (query: string, vector: number[], more = {}): Promise<Answer> =>
    say({ query, mode: "hybrid", vector, resources: ["ideas"], ...more });

  test("ranks a row that words and embedding find above one that either finds, and never a hidden one", async () => {
    expect(titles(await hybrid("roses", [1, 0, 0]))).toEqual(["Roses and thorns", "A garden of servers", "Far away"]);
    expect(titles(await hybrid("servers", [0, 0, 1]))).toEqual(["A garden of servers", "Far away", "Roses and thorns"]);
  });

  test("goes on page by page", async () => {
    const first = await hybrid("roses", [1, 0, 0], { first: 2 });
    const after = (first.data?.search as unknown as { nextCursor: string }).nextCursor;
    expect([...titles(first), ...titles(await hybrid("roses", [1, 0, 0], { first: 2, after }))]).toEqual([
      "Roses and thorns",
      "A garden of servers",
      "Far away",
    ]);
  });

  test("with a vector of other dimensions goes by words alone", async () => {
    expect(titles(await hybrid("roses", [1, 0]))).toEqual(["Roses and thorns"]);
  });

  test("never says what the embeddings are", async () => {
    expect((await hybrid("roses", [1, 0, 0])).text).not.toMatch(/meaning|0\.9/);
  });
});

describe("a local user's search", () => {
  const SEARCH = `query ($query: String!, $source: String!, $first: Int, $after: String) {
    search(query: $query, source: $source, first: $first, after: $after) {
      hits nextCursor sources { source status rows error { code } }
    }
  }`;
  interface Hits {
    hits: { _source: string; row: { title: string }; score: number }[];
    nextCursor: string | null;
    sources: { source: string; status: string; rows: number }[];
  }
  async function hits(variables: Record<string, unknown>): Promise<Hits> {
    const answer = await homeQuery(home, "alice-at-home", SEARCH, variables);
    expect(answer.errors).toBeUndefined();
    return (answer.data as { search: Hits }).search;
  }

  test("of all sources is one list, ranked by the places in each", async () => {
    const answer = await hits({ query: "plan or garden", source: "all" });
    expect(answer.sources).toEqual([
      { source: "local", status: "ok", rows: 2, error: null },
      { source: "federated:work.localhost", status: "ok", rows: 2, error: null },
    ]);
    expect(answer.hits.map(({ _source }) => _source)).toEqual([
      "local",
      "federated:work.localhost",
      "local",
      "federated:work.localhost",
    ]);
    expect(new Set(answer.hits.map(({ row }) => row.title))).toEqual(
      new Set(["Garden plan", "Plan the winter holiday", "Review the failover plan", "A garden of servers"]),
    );
  });

  test("goes on in every source by one cursor", async () => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page: Hits = await hits({ query: "plan or garden", source: "all", first: 1, after });
      seen.push(...page.hits.map(({ row }) => row.title));
      after = page.nextCursor;
    } while (after !== null);
    expect(seen).toHaveLength(4);
    expect(new Set(seen).size).toBe(4);
  });

  test("works from the command line, for people and for programs", async () => {
    const args = ["query", "search", "garden", "--dir", home.directory, "--user", "alice-at-home", "--source", "all"];
    const { stdout, code } = await runMosaic(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/federated:work\.localhost\s+ideas\s+1\s+A garden of servers/);
    const json = JSON.parse((await runMosaic([...args, "--json"])).stdout) as Hits;
    expect(json.hits.map(({ row }) => row.title).sort()).toEqual(["A garden of servers", "Garden plan"]);
    const refused = await runMosaic([...args, "--vector", "nowhere.json"]);
    expect(refused.code).toBe(64);
    expect(refused.stderr).toContain("nowhere.json");
  });
});
