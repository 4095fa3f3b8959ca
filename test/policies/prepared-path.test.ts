import { randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { seedPeople } from "./actors.ts";

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

/** A schema `theirs`, of somebody who may not do much, in which such functions tell who called them. */
async function makeTheirs(client: PoolClient): Promise<void> {
  const somebody = `somebody_${randomBytes(4).toString("hex")}`;
  await client.query(
    `create role ${somebody}; create schema theirs authorization ${somebody}; grant usage on schema theirs to public;
     set local role ${somebody};
     create table theirs.calls (who text, called text); grant insert on theirs.calls to public;
     create table theirs.things (id integer primary key, owner_id text not null); insert into theirs.things values (1, 'olga')`,
  );
  for (const [name, signatures, returns] of CAUGHT) {
    for (const signature of signatures) {
      const passed = signature.split(", ").map((_, n) => `$${n + 1}`);
      await client.query(
        `create function theirs.${name}(${signature}) returns ${returns} language plpgsql as $$ begin
           if not current_setting('transaction_read_only')::boolean then
             insert into theirs.calls values (current_user, '${name}');
           end if;
           return pg_catalog.${name}(${passed.join(", ")});
         end $$`,
      );
    }
  }
  await client.query("reset role");
}

test("functions that somebody makes in a schema of a resource's path are not called while it is prepared", async () => {
  await database.transaction(async (client) => {
    await seedPeople(client, { olga: [] });
    await makeTheirs(client);
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
    expect((await client.query("select distinct who, called from theirs.calls order by 1, 2")).rows).toEqual([]);
  });
});
