import { setTimeout as sleep } from "node:timers/promises";
import type { DatabaseError, PoolClient } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { askedBefore, readingAsPeer } from "./reading.ts";
import { search } from "./search.ts";
import { codeOf, get, list, only } from "./verbs.ts";

// Whether prepared functions are up to date is looked at once for each plan that a backend makes of a table. These tests look for a change that a plan,
// or what was remembered of it, outlives: all of it is committed, as it is where a gateway runs.

let database: TestDatabase;
let reading: PoolClient;
let grant: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  reading = await database.pool.connect();
});
afterAll(async () => {
  reading.release();
  await database.close();
});

const READER = `reader_${Date.now()}`;

beforeEach(async () => {
  await database.committed(async (client) => {
    await seedPeople(client, { olga: ["A", "B"], ned: ["B"] });
    await client.query(
      `create role ${READER};
       create table app.papers (id integer primary key, team text, owner_id text);
       insert into app.papers values (1, 'A', 'ned'), (2, 'B', 'ned'), (3, null, 'olga'), (4, null, 'ned');
       create function app.mine(owner_id text) returns boolean language plpgsql stable as $$
         begin return owner_id = current_setting('app.user_id', true); end $$;
       alter table app.papers enable row level security;
       create policy d on app.papers for select using (app.mine(owner_id) or team = any (array['A', 'B']));
       select federation.register_resource(name => 'papers', table_id => 'app.papers', team => 'team', text_columns => '{team}',
         identity_settings => '{"settings": {"app.user_id": "{subject}"}}')`,
    );
    grant = await activeGrant(client, "olga", { resources: ["papers"], include_personal: true, include_teams: ["A"] });
  });
});
afterEach(() =>
  database.committed(async (client) => {
    await client.query(
      `select federation.revoke_grant(id, 'no longer needed') from federation.federation_grants where status = 'active';
       select federation.unregister_resource('papers'); drop table if exists app.papers, app.other cascade;
       drop function if exists app.mine(text), app.ours(text); truncate app.users cascade; drop role ${READER}`,
    );
  }),
);

const inReading = <T>(work: () => Promise<T>): Promise<T> => readingAsPeer(reading, grant, work);
const served = (): Promise<unknown> =>
  inReading(() => list(reading, "papers").then(({ rows }) => rows.map(({ id }) => id), codeOf));
const servedOne = (id: number): Promise<unknown> =>
  inReading(() => get(reading, "papers", String(id)).then((row) => (row as { id: number }).id, codeOf));
const plain = (): Promise<unknown> =>
  inReading(async () =>
    (await reading.query<{ id: number }>("select id from app.papers order by id")).rows.map(({ id }) => id),
  );

/** Whether the backend that reads remembers that the functions are up to date, with the plan it has now. */
async function isRemembered(): Promise<boolean> {
  return inReading(async () => {
    const { rows } = await reading.query<{ remembered: boolean }>(
      `select coalesce(starts_with(current_setting('federation.ready_' || md5('papers'), true),
         'federation.ready_' || md5('papers') || ' ' || length(m.mark) || ' ' || m.mark), false) as remembered
       from (select federation.prepared_mark('papers') as mark) as m`,
    );
    return only(rows).remembered;
  });
}

async function readTwice(): Promise<void> {
  expect(await served()).toEqual([1, 3]);
  expect(await isRemembered()).toBe(false);
  expect(await served()).toEqual([1, 3]);
  expect(await isRemembered()).toBe(true);
  expect(await servedOne(1)).toBe(1);
}

describe("what is committed after the backend has looked holds for its next request:", () => {
  test.each<[change: string, has: number[]]>([
    ["create policy e on app.papers for select using (id = 4)", [1, 3, 4]],
    ["create policy e on app.papers as restrictive for select using (id <> 1)", [3]],
    ["alter policy d on app.papers using (app.mine(owner_id))", [3]],
    ["drop policy d on app.papers; create policy d on app.papers for select using (id in (2, 3))", [3]],
    ["alter function app.mine(text) rename to ours", [1, 3]],
    ["create or replace function app.mine(owner_id text) returns boolean language sql stable as 'select false'", [1]],
    ["alter table app.papers add column more text", [1, 3]],
    [
      `create policy e on app.papers as restrictive for select to ${READER} using (false); grant ${READER} to federation_peer`,
      [],
    ],
    ["alter table app.papers rename to other; create table app.papers (id integer primary key)", [1, 3]],
    ["truncate app.papers; insert into app.papers values (3, 'A', 'ned'), (5, null, 'olga')", [3, 5]],
  ])("%s", async (change, has) => {
    await readTwice();
    await database.committed((client) => client.query(change));
    if (!change.includes("rename to other")) {
      expect(await plain()).toEqual(has);
    }
    for (let times = 0; times < 3; times += 1) {
      expect(await served()).toEqual(has);
      expect(await servedOne(1)).toBe(has.includes(1) ? 1 : "NOT_FOUND");
      expect(await servedOne(2)).toBe("NOT_FOUND");
    }
  });

  test("a role that federation_peer is given by another one", async () => {
    await database.committed((client) =>
      client.query(
        `create role ${READER}_2; grant ${READER}_2 to federation_peer;
         create policy e on app.papers as restrictive for select to ${READER} using (id = 3);
         select federation.prepare_resources()`,
      ),
    );
    await readTwice();
    await database.committed((client) => client.query(`grant ${READER} to ${READER}_2`));
    expect(await served()).toEqual([3]);
    expect(await servedOne(1)).toBe("NOT_FOUND");
    await database.committed((client) => client.query(`revoke ${READER} from ${READER}_2; drop role ${READER}_2`));
    expect(await served()).toEqual([1, 3]);
  });

  test.each(["drop policy papers_scope on app.papers", "alter table app.papers disable row level security"])(
    "%s, and nothing is served",
    async (change) => {
      await readTwice();
      await database.committed((client) => client.query(change));
      for (let times = 0; times < 3; times += 1) {
        expect(await served()).toBe("UNAVAILABLE");
        expect(await servedOne(2)).toBe("UNAVAILABLE");
      }
    },
  );

  test("another name of the type of a key", async () => {
    await database.committed((client) =>
      client.query(
        `create type app.kind as enum ('a', 'b');
         create table app.other (kind app.kind primary key, owner_id text);
         insert into app.other values ('a', 'olga'), ('b', 'olga');
         select federation.register_resource(name => 'other', table_id => 'app.other', owner => 'owner_id')`,
      ),
    );
    await database.committed(async (client) => {
      grant = await activeGrant(client, "olga", { resources: ["other"], include_personal: true });
    });
    const first = (): Promise<{ nextCursor: string | null }> => inReading(() => list(reading, "other", { first: 1 }));
    await first();
    const { nextCursor } = await first();
    await database.committed((client) => client.query("alter type app.kind rename to sort"));
    expect((await inReading(() => list(reading, "other", { first: 1, after: nextCursor }))).rows).toMatchObject([
      { kind: "b" },
    ]);
    expect(await inReading(() => get(reading, "other", "b"))).toMatchObject({ kind: "b" });
    await database.committed((client) =>
      client.query(
        `select federation.revoke_grant('${grant.id}', 'no longer needed'); select federation.unregister_resource('other');
         drop table app.other; drop type app.sort`,
      ),
    );
  });

  test("a row that says a resource is prepared, of which nothing is written", async () => {
    await readTwice();
    await database.committed((client) =>
      client.query(
        `select federation.forget_prepared('papers');
         update federation.federation_prepared_resources set fingerprint = 'of another database' where resource_name = 'papers'`,
      ),
    );
    expect(await served()).toEqual([1, 3]);
    expect(await servedOne(1)).toBe(1);
    await database.committed((client) => client.query("select federation.prepare_resources()"));
    await readTwice();
  });

  test("a dropped table, which is as one that was never registered", async () => {
    await readTwice();
    await database.committed((client) => client.query("drop table app.papers"));
    expect(await served()).toBe("RESOURCE_DENIED");
    expect(await servedOne(1)).toBe("RESOURCE_DENIED");
    // As the next start of a gateway does.
    await database.committed((client) => client.query("select federation.prepare_resources()"));
    expect(await served()).toBe("RESOURCE_DENIED");
    expect(await servedOne(1)).toBe("RESOURCE_DENIED");
  });

  test("a resource of which nothing is written is one whose functions are undefined, never one without rows", async () => {
    for (const call of [
      "select federation.prepared_list('gone', 50, null, true, '{}', 50)",
      "select federation.prepared_get('gone', '1')",
    ]) {
      expect(await inReading(() => reading.query(call).catch((error: unknown) => (error as DatabaseError).code))).toBe(
        "42883",
      );
    }
  });

  test("functions that have gone while something still calls them", async () => {
    await readTwice();
    await database.committed((client) => client.query("select federation.forget_prepared('papers')"));
    expect(await served()).toEqual([1, 3]);
    expect(await servedOne(1)).toBe(1);
    await database.committed((client) => client.query("select federation.prepare_resources()"));
    await readTwice();
  });

  test("a column that is hidden", async () => {
    await readTwice();
    await database.committed((client) =>
      client.query("update federation.federation_resources set columns = '{id}' where name = 'papers'"),
    );
    expect(await inReading(() => get(reading, "papers", "1"))).toEqual({ id: 1 });
    expect((await inReading(() => list(reading, "papers"))).rows).toEqual([{ id: 1 }, { id: 3 }]);
  });
});

test("what a transaction changes and takes back is not remembered beyond it", async () => {
  await readTwice();
  await reading.query("begin; create policy e on app.papers for select using (id = 4)");
  expect(await asPeer(reading, grant, async () => (await list(reading, "papers")).rows.length)).toBe(3);
  await reading.query("rollback");
  expect(await served()).toEqual([1, 3]);
});

describe.skipIf(inject("template").kind === "pglite")("while a request runs", () => {
  // The embedded database has one backend: nothing is committed there meanwhile.
  const CHANGES = ["drop policy papers_scope on app.papers", "alter table app.papers disable row level security"];

  test.each(CHANGES)("%s is seen by what looks, as by what plans", async (change) => {
    await readTwice();
    const asking = inReading(() =>
      reading
        .query<{ page: unknown }>(
          "select federation_api.list('papers') as page from (select pg_sleep(1) offset 0) as waited where waited is not null",
        )
        .then(({ rows }) => only(rows).page, codeOf),
    );
    await sleep(400);
    await database.committed((client) => client.query(change));
    expect(await asking).toBe("UNAVAILABLE");
  });

  const QUESTIONS: [name: string, ask: () => Promise<unknown>][] = [
    ["a list", () => list(reading, "papers")],
    ["a list with a filter", () => list(reading, "papers", { filter: { id: { gt: 0 } } })],
    ["a list in another order", () => list(reading, "papers", { order: [{ column: "team" }] })],
    ["a get", () => get(reading, "papers", "2")],
    ["a search", () => search(reading, "B", { resources: ["papers"] })],
  ];
  test.each(
    CHANGES.flatMap((change) =>
      QUESTIONS.flatMap(([name, ask]) => [true, false].map((isPrepared) => ({ change, name, ask, isPrepared }))),
    ),
  )(
    "$change while $name waits for the table brings nothing (prepared: $isPrepared)",
    async ({ change, ask, isPrepared }) => {
      await readTwice();
      if (!isPrepared) {
        await database.committed((client) =>
          client.query("update federation.federation_prepared_resources set fingerprint = 'of another database'"),
        );
      }
      expect(await askedBefore(database.pool, reading, change, () => inReading(ask))).toBe("UNAVAILABLE");
      await database.committed((client) => client.query("select federation.prepare_resources()"));
    },
  );

  test("a column that is hidden while a list with a filter waits for the table does not leave", async () => {
    const answer = await askedBefore(
      database.pool,
      reading,
      "lock table app.papers in access exclusive mode; update federation.federation_resources set columns = '{id}' where name = 'papers'",
      () => inReading(() => list(reading, "papers", { filter: { id: { gt: 0 } } })),
    );
    expect(answer).toBe("UNAVAILABLE");
    expect((await inReading(() => list(reading, "papers", { filter: { id: { gt: 0 } } }))).rows).toEqual([
      { id: 1 },
      { id: 3 },
    ]);
  });
});
