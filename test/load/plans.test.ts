import { Client, Pool } from "pg";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { migrateDatabase } from "../../src/database/migrate.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import type { PostgresServer } from "../harness/postgres-server.ts";
import { activeGrant, asPeer, seedPeople, seedTeams } from "../policies/actors.ts";
import type { Grant } from "../policies/actors.ts";
import { get, list } from "../policies/verbs.ts";

/** Rows of the table, and words that only so many of them share. */
const [ROWS, WORDS] = [1_000_000, 20_000];
const TEAMS = 500;
const SCOPED = Array.from({ length: 10 }, (_, n) => `t${n + 1}`);
const PAGE = 50;

/** A node of a plan, as auto_explain writes it (PostgreSQL documentation §F.3). */
interface PlanNode {
  "Node Type": string;
  "Relation Name"?: string;
  "Index Name"?: string;
  "Actual Rows": number;
  "Actual Loops": number;
  "Shared Hit Blocks": number;
  "Shared Read Blocks": number;
  Plans?: PlanNode[];
}

let server: PostgresServer;
let pool: Pool;
let client: PoolClient;
let grant: Grant;

beforeAll(async () => {
  server = await startPostgresServer();
  const admin = new Client({ connectionString: server.url("postgres") });
  await admin.connect();
  await admin.query("create database plans");
  await admin.end();
  await migrateDatabase({ connectionString: server.url("plans") });
  pool = new Pool({ connectionString: server.url("plans"), max: 1 });
  pool.on("error", () => undefined);
  client = await pool.connect();
  await client.query(`
    create schema app;
    create table app.users (id text primary key, name text, email text);
    create table app.teams (id text primary key, name text);
    create table app.memberships (user_id text, team_id text, primary key (user_id, team_id));
    select federation.bind_identity(
      users_table => 'app.users', user_column => 'id',
      memberships_table => 'app.memberships', member_user_column => 'user_id', member_team_column => 'team_id'
    )`);
  await seedTeams(client, ["t0"]);
  await seedPeople(client, { olga: SCOPED });
  // Few owners and teams have most of the rows, as it is with people.
  await client.query(`
    create table app.papers (
      id integer primary key, title text not null, owner_id text not null, team_id text, created_at timestamptz not null
    );
    select setseed(0.5);
    insert into app.papers
    select n, 'paper w' || n % ${WORDS}, case when o = 1 then 'olga' else 'u' || o end, case when random() < 0.7 then 't' || t end,
      timestamptz '2020-01-01' + n * interval '1 minute'
    from (
      select n, 1 + floor(2000 * power(random(), 4))::integer as o, 1 + floor(${TEAMS} * power(random(), 3))::integer as t
      from generate_series(1, ${ROWS}) n offset 0
    ) r;
    create index papers_owner on app.papers (owner_id, created_at, id);
    create index papers_team on app.papers (team_id, created_at, id);
    analyze app.papers`);
  // Row by row, as registration does it, the words would take minutes.
  await client.query(`
    begin;
    select federation.register_resource(
      name => 'papers', table_id => 'app.papers', owner => 'owner_id', team => 'team_id', order_by => '[{"column": "created_at"}]'
    );
    drop index federation.federation_search_documents_scoped_idx;
    insert into federation.federation_search_documents (resource_name, row_key, document, scoped)
    select 'papers', p.id, d.document, federation.scoped_words(
      case
        when p.team_id is null then array[federation.search_prefix('papers', 'personal', p.owner_id)]
        else array[federation.search_prefix('papers', 'team', p.team_id), federation.search_prefix('papers', 'owner', p.owner_id)]
      end,
      d.document
    )
    from app.papers p cross join lateral (select to_tsvector('simple', p.title) offset 0) d (document);
    create index federation_search_documents_scoped_idx on federation.federation_search_documents using gin (scoped);
    update federation.federation_resources set text_columns = '{title}', search_indexed = true where name = 'papers';
    create trigger papers_words after insert or update or delete on app.papers
      for each row execute function federation.tg_resources__keep_words('papers');
    create trigger papers_words_truncate after truncate on app.papers
      for each statement execute function federation.tg_resources__keep_words('papers');
    commit;
    analyze federation.federation_search_documents`);
  await client.query("begin");
  grant = await activeGrant(client, "olga", {
    resources: ["papers"],
    include_personal: true,
    include_teams: SCOPED,
    max_rows_per_query: 100,
  });
  await client.query("commit");
});
afterAll(async () => {
  client.release();
  await pool.end();
  await server.stop();
});

/** Runs work as the peer, and leaves nothing of it. */
async function rolledBack(work: () => Promise<unknown>): Promise<void> {
  await client.query("begin");
  try {
    await asPeer(client, grant, work);
  } finally {
    await client.query("rollback");
  }
}

/** Every node of every plan that ran while a peer's work did, those within functions, too. */
async function nodesOf(work: () => Promise<unknown>): Promise<PlanNode[]> {
  const plans: PlanNode[] = [];
  const onNotice = ({ message = "" }: { message?: string | undefined }): void => {
    const start = message.indexOf("{");
    if (message.includes("plan:") && start >= 0) {
      plans.push((JSON.parse(message.slice(start)) as { Plan: PlanNode }).Plan);
    }
  };
  try {
    await rolledBack(async () => {
      // As a request that is not the first of its connection, whose plans are made.
      await work();
      await client.query("reset role");
      await client.query(`
        load 'auto_explain'; set local auto_explain.log_min_duration = 0; set local auto_explain.log_nested_statements = on;
        set local auto_explain.log_analyze = on; set local auto_explain.log_buffers = on; set local auto_explain.log_timing = off;
        set local auto_explain.log_format = json; set local auto_explain.log_level = notice; set local role federation_peer`);
      client.on("notice", onNotice);
      await work();
    });
  } finally {
    client.off("notice", onNotice);
  }
  const all = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(all)];
  return plans.flatMap(all);
}

const read = ({ "Actual Rows": rows, "Actual Loops": loops }: PlanNode): number => rows * loops;

/** What holds of each verb: the table is read by an index, little of it, and no more is sorted than the branches brought. */
function expectIndexed(nodes: PlanNode[], indexes: readonly string[], mostRows: number): void {
  const ofTable = nodes.filter((node) => node["Relation Name"] === "papers");
  expect(ofTable.length).toBeGreaterThan(0);
  for (const node of ofTable) {
    expect(node["Node Type"]).toBe("Index Scan");
    expect(indexes).toContain(node["Index Name"]);
    expect(read(node)).toBeLessThanOrEqual(mostRows);
  }
  for (const node of nodes.filter((one) => one["Node Type"].includes("Sort"))) {
    // What the catalogue holds of one table is sorted, too.
    expect(Math.max(...(node.Plans ?? []).map(read))).toBeLessThanOrEqual(Math.max(mostRows, 20));
  }
  // Neither the table of words, nor anything else that grows, is read whole.
  for (const node of nodes.filter((one) => one["Node Type"] === "Seq Scan")) {
    expect(["papers", "federation_search_documents"]).not.toContain(node["Relation Name"]);
  }
}

const BRANCHES = (SCOPED.length + 1) * (PAGE + 1);

test("the subject sees much of the table, so that reading all of it would show", async () => {
  await rolledBack(async () => {
    const { rows } = await client.query<{ count: number }>("select count(*)::integer from app.papers");
    expect(rows[0]?.count).toBeGreaterThan(100_000);
  });
});

test("the first page of list is read in the order of the indexes, one for the subject and one for each team, and no further", async () => {
  const nodes = await nodesOf(() => list(client, "papers", { first: PAGE }));
  expectIndexed(nodes, ["papers_owner", "papers_team"], BRANCHES);
});

test("so is page 1 000, by its cursor", async () => {
  let after: string | null = null;
  await rolledBack(async () => {
    for (let page = 0; page < 500; page += 1) {
      after = (await list(client, "papers", { first: 100, after })).nextCursor;
    }
  });
  expect(after).not.toBeNull();
  const nodes = await nodesOf(() => list(client, "papers", { first: PAGE, after }));
  expectIndexed(nodes, ["papers_owner", "papers_team"], BRANCHES);
  // A cursor is where a range of the index begins, not a condition on what was read from its start.
  expect(
    nodes
      .filter((node) => node["Relation Name"] === "papers")
      .every((node) => node["Shared Hit Blocks"] + node["Shared Read Blocks"] < 4 * BRANCHES),
  ).toBe(true);
});

test("a page with a filter or an order of its own whose index is there is read by that index, too", async () => {
  const nodes = await nodesOf(() =>
    list(client, "papers", { first: PAGE, filter: { created_at: { gte: "2021-01-01T00:00:00Z" } } }),
  );
  expectIndexed(nodes, ["papers_owner", "papers_team"], BRANCHES);
  const downwards = await nodesOf(() =>
    list(client, "papers", {
      first: PAGE,
      order: [
        { column: "created_at", direction: "desc" },
        { column: "id", direction: "desc" },
      ],
    }),
  );
  expectIndexed(downwards, ["papers_owner", "papers_team"], BRANCHES);
});

test("get reads one row by its key", async () => {
  const { rows } = await client.query<{ id: string }>("select id::text from app.papers where team_id = 't1' limit 1");
  const nodes = await nodesOf(() => get(client, "papers", rows[0]?.id ?? ""));
  expectIndexed(nodes, ["papers_pkey"], 1);
});

test("search finds its candidates by the index of words and reads them by their keys", async () => {
  const nodes = await nodesOf(() => client.query("select federation_api.search($1)", ["w17"]));
  expectIndexed(nodes, ["papers_pkey"], ROWS / WORDS + PAGE);
  expect(nodes.some((node) => node["Index Name"] === "federation_search_documents_scoped_idx")).toBe(true);
});
