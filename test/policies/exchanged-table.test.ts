import type { PoolClient } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, seedPeople } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { askedBefore, readingAsPeer } from "./reading.ts";
import { search } from "./search.ts";
import { get, list } from "./verbs.ts";

let database: TestDatabase;
let reading: PoolClient;
let grant: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  reading = await database.pool.connect();
  await database.committed((client) => seedPeople(client, { olga: [], ned: [] }));
});
afterAll(async () => {
  reading.release();
  await database.close();
});

beforeEach(() =>
  database.committed(async (client) => {
    await client.query(
      `create table app.memos (id integer primary key, owner_id text not null, title text);
       insert into app.memos select n, case n when 1 then 'olga' else 'ned' end, 'secret' from generate_series(1, 42) n;
       select federation.register_resource(name => 'memos', table_id => 'app.memos', owner => 'owner_id', text_columns => '{title}')`,
    );
    grant = await activeGrant(client, "olga", { resources: ["memos"], include_personal: true });
  }),
);
afterEach(() =>
  database.committed((client) =>
    client.query(
      `select federation.revoke_grant(id, 'no longer needed') from federation.federation_grants where status = 'active';
       select federation.unregister_resource('memos'); drop table if exists app.memos, app.memos_before, app.memos_next;
       select federation.prepare_resources()`,
    ),
  ),
);

/** How many rows of `memos` the subject of a grant is told of. */
async function countedFor({ id }: Grant): Promise<{ rows: string | null }[]> {
  const { rows } = await reading.query<{ rows: string | null }>(
    `select v.item ->> 'rowsOfSubject' as rows from jsonb_array_elements(federation.visible_for_user('olga', $1) -> 'resources') as v (item)
     where v.item ->> 'resource' = 'memos'`,
    [id],
  );
  return rows;
}

// The embedded database has one backend: nothing is committed there meanwhile.
describe.skipIf(inject("template").kind === "pglite")("while a request waits for its table", () => {
  const QUESTIONS: [name: string, ask: () => Promise<unknown>, answer: unknown][] = [
    ["a list", () => list(reading, "memos").then(({ rows }) => rows), [{ id: 1, owner_id: "olga", title: "secret" }]],
    ["a list with a filter", () => list(reading, "memos", { filter: { id: { gt: 0 } } }), "UNAVAILABLE"],
    ["a list in another order", () => list(reading, "memos", { order: [{ column: "owner_id" }] }), "UNAVAILABLE"],
    ["a get", () => get(reading, "memos", "2"), "NOT_FOUND"],
    ["a search", () => search(reading, "secret", { resources: ["memos"] }), "UNAVAILABLE"],
  ];

  test.each(
    QUESTIONS.flatMap(([name, ask, answer]) => [true, false].map((isPrepared) => ({ name, ask, answer, isPrepared }))),
  )(
    "another one, without protection, gets the name: nothing of it leaves by $name (prepared: $isPrepared)",
    async ({ ask, answer, isPrepared }) => {
      await database.committed((client) =>
        client.query(
          `create table app.memos_next (like app.memos including all); insert into app.memos_next select * from app.memos;
           grant select on app.memos_next to public`,
        ),
      );
      if (!isPrepared) {
        await database.committed((client) =>
          client.query("update federation.federation_prepared_resources set fingerprint = 'of another database'"),
        );
      }
      const exchange = "alter table app.memos rename to memos_before; alter table app.memos_next rename to memos";
      expect(await askedBefore(database.pool, reading, exchange, () => readingAsPeer(reading, grant, ask))).toEqual(
        answer,
      );
    },
  );

  test("another one, without protection, comes before it in the application's path: how many rows it has is not told", async () => {
    await database.committed(async (client) => {
      await client.query(
        `select federation.revoke_grant('${grant.id}', 'no longer needed'); select federation.unregister_resource('memos');
         select federation.register_resource(
           name => 'memos', table_id => 'app.memos', owner => 'owner_id', text_columns => '{title}', identity_settings => '{"search_path": "public, app"}')`,
      );
      grant = await activeGrant(client, "olga", { resources: ["memos"], include_personal: true });
    });
    const change = `alter table app.memos add column more text;
      create table public.memos as select n as id, 'ned' as owner_id, 'secret' as title from generate_series(1, 42) n;
      grant select on public.memos to public`;
    const counted = await askedBefore(database.pool, reading, change, () => countedFor(grant));
    await database.pool.query("drop table public.memos");
    expect(counted).toEqual([{ rows: "1" }]);
  });

  test("a table loses its protection, and its registration goes to another: how many rows it has is not told", async () => {
    await database.committed((client) =>
      client.query(
        `select federation.revoke_grant('${grant.id}', 'no longer needed');
         create table app.memos_next (id integer primary key, owner_id text); grant select on app.memos to public`,
      ),
    );
    const counted = await askedBefore(
      database.pool,
      reading,
      `select federation.unregister_resource('memos');
       select federation.register_resource(name => 'memos', table_id => 'app.memos_next', owner => 'owner_id')`,
      () => countedFor(grant),
    );
    expect(counted).toEqual([{ rows: null }]);
  });
});
