import { randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, asUser, seedPeople } from "./actors.ts";
import { get, list } from "./verbs.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

// Functions that Postgres prefers to its own where their schema is in the path: these take just what they are called with, its own take any types.
const CAUGHT: readonly (readonly [name: string, signatures: readonly string[], returns: string])[] = [
  ["format", ["text, text", "text, text, text", "text, text, text, text"], "text"],
  ["concat", Array.from({ length: 16 }, (_, n) => Array.from({ length: n + 1 }, () => "text").join(", ")), "text"],
  ["set_config", ["text, text, boolean"], "text"],
  ["json_build_array", ["text", "text, text"], "json"],
  ["json_build_object", ["text, json, text, text, text, boolean"], "json"],
];

/** A schema `theirs`, of somebody who may not do much, in which such functions tell that they are called. Whoever hears of it is returned. */
async function makeTheirs(client: PoolClient): Promise<string[]> {
  const somebody = `somebody_${randomBytes(4).toString("hex")}`;
  await client.query(
    `create role ${somebody}; create schema theirs authorization ${somebody}; grant usage on schema theirs to public;
     set local role ${somebody};
     create table theirs.things (id integer primary key, owner_id text not null); insert into theirs.things values (1, 'olga')`,
  );
  for (const [name, signatures, returns] of CAUGHT) {
    for (const signature of signatures) {
      const passed = signature.split(", ").map((_, n) => `$${n + 1}`);
      await client.query(
        `create function theirs.${name}(${signature}) returns ${returns} language plpgsql as $$ begin
           raise warning '${name}, as %', current_user;
           return pg_catalog.${name}(${passed.join(", ")});
         end $$`,
      );
    }
  }
  await client.query("reset role");
  const heard: string[] = [];
  client.on("notice", ({ message }) => heard.push(message ?? ""));
  // They are heard when they are called.
  await client.query("select theirs.format('a', 'b')");
  expect(heard.splice(0)).toEqual([expect.stringContaining("format, as ")]);
  return heard;
}

test("functions that somebody makes in a schema of a resource's path are not called while it is prepared", async () => {
  await database.transaction(async (client) => {
    await seedPeople(client, { olga: [] });
    const heard = await makeTheirs(client);
    // What was planned before would be called as it was found then.
    await client.query("discard plans");
    for (const [name, path] of Object.entries({ things: "theirs", more_things: "theirs, pg_catalog" })) {
      await client.query(
        `create table theirs.${name}_of_path (like theirs.things including all);
         insert into theirs.${name}_of_path values (1, 'olga')`,
      );
      await client.query(
        "select federation.register_resource(name => $1, table_id => $2::regclass, owner => 'owner_id', identity_settings => $3)",
        [name, `theirs.${name}_of_path`, JSON.stringify({ search_path: path })],
      );
    }
    await client.query(
      "alter table theirs.things_of_path add column harmless text; alter table theirs.more_things_of_path add column harmless text",
    );
    await client.query("discard plans");
    await client.query("select federation.prepare_resources()");
    expect(heard).toEqual([]);
  });
});

test("nor are they when a page is read, but by the application's own policies", async () => {
  await database.transaction(async (client) => {
    await seedPeople(client, { olga: [] });
    const heard = await makeTheirs(client);
    await client.query(
      `select federation.register_resource(
         name => 'things', table_id => 'theirs.things', owner => 'owner_id', identity_settings => '{"search_path": "theirs, pg_catalog"}')`,
    );
    const grant = await activeGrant(client, "olga", { resources: ["things"], include_personal: true });
    await client.query("discard plans");
    await asPeer(client, grant, async () => {
      expect((await list(client, "things")).rows).toEqual([{ id: 1, owner_id: "olga" }]);
      expect(
        (await list(client, "things", { order: [{ column: "owner_id" }], filter: { id: { gte: 1 } } })).rows,
      ).toEqual([{ id: 1, owner_id: "olga" }]);
      expect(await get(client, "things", "1")).toEqual({ id: 1, owner_id: "olga" });
    });
    await asUser(client, "olga", () =>
      client.query(
        "select federation.list_rows('things', null, null, 10, null, 10), federation.get_row('things', '1')",
      ),
    );
    expect(heard).toEqual([]);
  });
});
