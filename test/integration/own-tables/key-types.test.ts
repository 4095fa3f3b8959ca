import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { fingerprintFor } from "../../harness/fingerprint.ts";
import { activeGrant, asPeer, get, list } from "./peer.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const UUID = ["11111111-1111-4111-8111-111111111111", "11111111-1111-4111-8111-111111111112"] as const;

// The two values of each type begin alike, so that a cast that cuts one of them would take it for the other.
test.each([
  ["smallint", "1", "11"],
  ["integer", "-1", "11"],
  ["bigint", "9007199254740993", "9007199254740992"],
  ["numeric(20,2)", "1.10", "1.11"],
  ["uuid", UUID[0], UUID[1]],
  ["text", "a", "a'b \\ \" c"],
  ["varchar(5)", "ALFK", "ALFKI"],
  ["char(5)", "ALFKI", "ALFKO"],
  ["key_types.code", "AB", "AC"],
  ["key_types.level", "low", "lower"],
])("users, teams, owners and keys of type %s are told apart and served", async (type, one, other) => {
  await database.pool.query(`
    drop schema if exists key_types cascade;
    create schema key_types;
    create domain key_types.code as varchar(3) check (value ~ '^[A-Z]+$');
    create type key_types.level as enum ('low', 'lower');
    create table key_types.people (id ${type} primary key);
    create table key_types.crews (person ${type}, crew ${type});
    create table key_types.things (id ${type} primary key, owner ${type}, team ${type});
  `);
  const { rows } = await database.pool.query<{ one: string; other: string }>(
    `select ($1::${type})::text as one, ($2::${type})::text as other`,
    [one, other],
  );
  await database.pool.query(`insert into key_types.people values ($1), ($2)`, [one, other]);
  await database.pool.query(`insert into key_types.crews values ($1, $1), ($2, $2)`, [one, other]);
  await database.pool.query(`insert into key_types.things values ($1, $1, $1), ($2, $2, $2)`, [one, other]);
  await database.pool.query(`
    select federation.bind_identity('key_types.people', 'id', 'key_types.crews', 'person', 'crew');
    select federation.register_resource('things', 'key_types.things', owner => 'owner', team => 'team');
  `);
  for (const id of Object.values(rows[0] ?? {})) {
    const peer = await activeGrant(database, id, { resources: ["things"], include_teams: [id] });
    const ids = (await list(database, peer, "things")).rows.map((row) => String(row["id"]).trimEnd());
    expect(ids).toEqual([id.trimEnd()]);
    expect(await get(database, peer, "things", id)).toMatchObject({ id: expect.anything() as unknown });
    const stranger = id === rows[0]?.one ? rows[0].other : (rows[0]?.one ?? "");
    await expect(get(database, peer, "things", stranger)).rejects.toMatchObject({ code: "MF011" });
    await database.pool.query("select federation.revoke_grant($1)", [peer.grantId]);
  }
  await database.pool.query("select federation.unregister_resource('things')");
});

test("a session for another subject than the grant's, or for none, is refused", async () => {
  await database.pool.query("insert into app.users values ('U1', 'One', 'one@example.org')");
  await database.pool.query("select federation.bind_identity('app.users', 'id')");
  const peer = await activeGrant(database, "U1", { resources: ["tasks"] });
  await expect(asPeer(database, peer, (client) => client.query("select 1"))).resolves.toBeDefined();
  for (const subject of ["U2", "", null]) {
    await expect(
      database.transaction((client) =>
        client.query("select federation.enter_as_peer($1, $2, $3, $4)", [
          peer.grantId,
          subject,
          peer.serial,
          fingerprintFor(peer.serial),
        ]),
      ),
    ).rejects.toMatchObject({ code: "MF002" });
  }
});
