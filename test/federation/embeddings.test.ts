import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { credentialsOf } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import { WORK } from "../../src/demo/world.ts";
import { vectorType } from "../../src/database/vector.ts";
import { derToPem } from "../../src/pki/der.ts";
import { enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

// PostgreSQL as its package brings it has no pgvector; the embedded database and the one of tier federated have.
const template = inject("template");
const hasVector = template.kind === "pglite" || template.services !== undefined;
const MEANING = vectorType(3);

let work: TestGateway;
let home: TestGateway;

beforeAll(async () => {
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK),
    openTestGateway("home.localhost", { ...WORK, tasks: [], notes: [], credentials: [] }),
  ]);
  const { rowCount } = await work.pool.query("select from pg_available_extensions where name = 'vector'");
  expect(rowCount === 1).toBe(hasVector);
  const columns = hasVector ? `meaning ${MEANING.sql}, loose vector` : "meaning text";
  await work.pool.query(`${hasVector ? "create extension if not exists vector;" : ""}
    create table app.ideas (id integer primary key, title text not null, owner_id text not null, team_id text, ${columns})`);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

const register = (column: string, more = ""): Promise<unknown> =>
  work.pool.query(
    `select federation.register_resource('ideas', 'app.ideas', 'owner_id', 'team_id', embedding_column => $1 ${more})`,
    [column],
  );
const unregister = (): Promise<unknown> => work.pool.query("select federation.unregister_resource('ideas')");
const sqlstate = (call: Promise<unknown>): Promise<string | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => (error as { code: string }).code,
  );
async function indexes(): Promise<string[]> {
  const { rows } = await work.pool.query<{ definition: string }>(
    "select indexdef as definition from pg_indexes where schemaname = 'app' and tablename = 'ideas' and indexdef ~ 'hnsw'",
  );
  return rows.map(({ definition }) => definition);
}

describe.runIf(!hasVector)("without pgvector", () => {
  test("an embedding is refused, and the same table registers without one", async () => {
    expect(await sqlstate(register("meaning"))).toBe("MF022");
    await work.pool.query("select federation.register_resource('ideas', 'app.ideas', 'owner_id', 'team_id')");
    await unregister();
  });
});

describe.runIf(hasVector)("an embedding column", () => {
  test("is recorded, and gets an HNSW index for cosine distance that goes with the registration", async () => {
    await register("meaning");
    const { rows } = await work.pool.query(
      `select embedding_column, embedding_dimensions, hidden_columns::text[], columns::text[]
       from federation.list_resources() where name = 'ideas'`,
    );
    expect(rows).toEqual([
      {
        embedding_column: "meaning",
        embedding_dimensions: 3,
        hidden_columns: ["meaning"],
        columns: ["id", "title", "owner_id", "team_id", "loose"],
      },
    ]);
    expect(await indexes()).toHaveLength(1);
    expect((await indexes())[0]).toContain("vector_cosine_ops");
    await unregister();
    expect(await indexes()).toEqual([]);
  });

  test("keeps the index that the table had, and makes no second one", async () => {
    await work.pool.query("create index ideas_mine on app.ideas using hnsw (meaning vector_cosine_ops)");
    await register("meaning");
    expect(await indexes()).toHaveLength(1);
    await unregister();
    expect(await indexes()).toHaveLength(1);
    await work.pool.query("drop index app.ideas_mine");
  });

  test("is not content with an index for another distance, or of some rows", async () => {
    await work.pool.query(`create index ideas_l2 on app.ideas using hnsw (meaning vector_l2_ops);
      create index ideas_some on app.ideas using hnsw (meaning vector_cosine_ops) where id > 5`);
    await register("meaning");
    expect(await indexes()).toHaveLength(3);
    await unregister();
    await work.pool.query("drop index app.ideas_l2, app.ideas_some");
  });

  test("is found by its nearness through the index", async () => {
    await register("meaning");
    const client = await work.pool.connect();
    try {
      await client.query("begin; set local enable_seqscan = off; set local enable_sort = off");
      await client.query(
        "insert into app.ideas (id, title, owner_id, meaning) select g, 'idea', 'bob', $1::vector from generate_series(1, 50) g",
        [MEANING.toSql([0, 1, 0])],
      );
      await client.query("insert into app.ideas (id, title, owner_id, meaning) values (51, 'near', 'bob', $1)", [
        MEANING.toSql([1, 0.1, 0]),
      ]);
      const nearest = "select id, meaning::text from app.ideas order by meaning <=> $1::vector limit 1";
      const { rows: plan } = await client.query<Record<string, string>>(`explain ${nearest}`, [
        MEANING.toSql([1, 0, 0]),
      ]);
      expect(plan.map((row) => row["QUERY PLAN"]).join("\n")).toContain("Index Scan using ideas_meaning_idx");
      const { rows } = await client.query<{ id: number; meaning: string }>(nearest, [MEANING.toSql([1, 0, 0])]);
      expect(rows[0]?.id).toBe(51);
      expect(MEANING.fromSql(rows[0]?.meaning ?? "")).toEqual([1, 0.1, 0]);
    } finally {
      await client.query("rollback");
      client.release();
    }
    await unregister();
  });

  test.each([
    ["title", "of another type"],
    ["loose", "without dimensions"],
    ["nowhere", "that is not there"],
    ["id", "that is the key"],
  ])("%s, %s, is refused", async (column) => {
    expect(await sqlstate(register(column))).toBe("MF022");
    expect(await indexes()).toEqual([]);
  });

  test("with more dimensions than HNSW takes is refused", async () => {
    await work.pool.query("alter table app.ideas add column wide vector(2001)");
    expect(await sqlstate(register("wide"))).toBe("MF022");
    await work.pool.query("alter table app.ideas drop column wide");
  });

  test("cannot be a text column, too", async () => {
    expect(await sqlstate(register("meaning", ", text_columns => array['meaning']::name[]"))).toBe("MF022");
  });

  test("never leaves: neither list nor get nor capabilities name it, and no filter or order reaches it", async () => {
    await register("meaning", ", hidden_columns => array['loose', 'meaning']::name[]");
    await work.pool.query(
      "insert into app.ideas (id, title, owner_id, meaning, loose) values (1, 'a', 'alice', $1, $1)",
      [MEANING.toSql([0.25, 0.5, 0.75])],
    );
    const grant = await enrollGrant(work, home, "alice", "alice", { resources: ["ideas"], include_personal: true });
    const ca = derToPem(grant.enrolled.rootDer, "CERTIFICATE");
    const say = async (documentId: string, variables: unknown): Promise<{ status: unknown; text: string }> => {
      const { status, body } = await mtlsRequest({
        url: work.gateway.federationUrl,
        ca,
        ...credentialsOf(grant.enrolled),
        body: { documentId, variables },
      });
      return { status, text: JSON.stringify(body) };
    };
    const list = await say("list", { resource: "ideas" });
    expect(list.text).toContain('"title":"a"');
    for (const answer of [list, await say("get", { resource: "ideas", id: "1" }), await say("capabilities", {})]) {
      expect(answer.status).toBe(200);
      expect(answer.text).not.toMatch(/meaning|loose|0\.25/);
    }
    for (const variables of [
      { resource: "ideas", filter: { column: "meaning", op: "isNull", value: false } },
      { resource: "ideas", order: [{ column: "meaning", direction: "asc" }] },
    ]) {
      expect((await say("list", variables)).status).toBe(400);
    }
  });
});
