import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { snapshot } from "./snapshot.ts";

let database: TestDatabase;

const RELATIONS = [
  "shop.people",
  "shop.crews",
  "shop.items",
  "shop.parts",
  "shop.locked",
  "shop.events",
  "shop.crew_of_person",
];
const ROLES = ["shop_owner", "shop_reader", "federation_peer", "federation_user", "federation_owner"];

const SHOP = `
  do $$
  declare
    role_name text;
  begin
    foreach role_name in array array['shop_owner', 'shop_reader'] loop
      begin
        execute format('create role %I nologin', role_name);
      exception
        when duplicate_object or unique_violation then null;
      end;
    end loop;
  end
  $$;
  grant federation_admin to shop_owner;
  create schema shop authorization shop_owner;
  set local role shop_owner;
  create table shop.people (id integer primary key, name text not null);
  create table shop.crews (person_id integer references shop.people, crew text, primary key (person_id, crew));
  create view shop.crew_of_person as select person_id, min(crew) as crew from shop.crews group by person_id;
  create table shop.items (
    id bigint generated always as identity primary key, owner_id integer references shop.people, name text, price numeric, made_at timestamptz
  );
  create index on shop.items (owner_id);
  create table shop.parts (code text primary key, item_id bigint references shop.items, secret text);
  create table shop.locked (id integer primary key, owner_id integer, note text);
  alter table shop.locked enable row level security;
  alter table shop.locked force row level security;
  create policy mine on shop.locked for select to shop_reader using (owner_id = (select count(*) from shop.people));
  comment on policy mine on shop.locked is 'was here before';
  create table shop.events (id integer primary key, person_id integer, at timestamptz) partition by range (id);
  create table shop.events_1 partition of shop.events for values from (0) to (1000);
  create function shop.tg_items() returns trigger language plpgsql as 'begin return new; end';
  create trigger stamp before insert on shop.items for each row execute function shop.tg_items();
  grant usage on schema shop to shop_reader;
  grant select on shop.items to shop_reader with grant option;
  grant select (id, note) on shop.locked to federation_peer;
  reset role;
`;

const CREW = "(select c.crew from shop.crew_of_person c where c.person_id = items.owner_id)";
const ITEMS = `select federation.register_resource('items', 'shop.items', owner => 'owner_id', team => '${CREW}', time_column => 'made_at')`;
const PARTS = `select federation.register_resource('parts', 'shop.parts', hidden_columns => '{secret}',
  owner => '(select i.owner_id from shop.items i where i.id = parts.item_id)')`;
const LOCKED = `select federation.register_resource('locked', 'shop.locked', identity_settings => '{"role": "shop_reader"}')`;
const EVENTS =
  "select federation.register_resource('events', 'shop.events', owner => 'person_id', team => $$person_id % 2$$)";
const BIND = "select federation.bind_identity('shop.people', 'id', 'shop.crews', 'person_id', 'crew')";

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query(`begin; ${SHOP} commit;`);
  client.release();
});
afterAll(() => database.close());

const look = (client: PoolClient): Promise<unknown> => snapshot(client, RELATIONS, ROLES);

/** Shows that statements change the snapshot and that others put it back. */
async function expectRestored(todo: string[], undo: string[], role = "postgres"): Promise<void> {
  await database.transaction(async (client) => {
    await client.query(`set local role ${role}`);
    const before = await look(client);
    for (const statement of todo) {
      await client.query(statement);
    }
    expect(await look(client)).not.toEqual(before);
    for (const statement of undo) {
      await client.query(statement);
    }
    expect(await look(client)).toEqual(before);
  });
}

const unregister = (name: string): string => `select federation.unregister_resource('${name}')`;

describe("unregistering leaves as it was found", () => {
  test.each([
    ["a table without row-level security, its team in another table", ITEMS, "items"],
    ["a table with a text key, a hidden column and an owner in another table", PARTS, "parts"],
    ["a partitioned table", EVENTS, "events"],
  ])("%s, as its owner and as a superuser", async (_, register, name) => {
    await expectRestored([register], [unregister(name)], "shop_owner");
    await expectRestored([register], [unregister(name)]);
  });

  test("a table with forced row-level security, a policy of its own, privileges that peers had before, and a role", async () => {
    await expectRestored([LOCKED], [unregister("locked")]);
  });

  test.each([
    ["in the order", ["items", "parts", "locked", "events"]],
    ["against the order", ["events", "locked", "parts", "items"]],
  ])("several tables that need the same privileges, unregistered %s of registration", async (_, names) => {
    await expectRestored([ITEMS, PARTS, LOCKED, EVENTS], names.map(unregister));
  });

  test("a table whose registration was refused half-way", async () => {
    await database.transaction(async (client) => {
      const before = await look(client);
      await client.query("savepoint registration");
      await expect(client.query(ITEMS.replace("made_at", "no_such_column"))).rejects.toMatchObject({ code: "MF022" });
      await client.query("rollback to savepoint registration");
      expect(await look(client)).toEqual(before);
    });
  });

  test("the other tables, where the registered one was dropped meanwhile", async () => {
    await database.transaction(async (client) => {
      await client.query("create table shop.fleeting (id integer primary key, owner_id integer)");
      const before = await look(client);
      await client.query("select federation.register_resource('fleeting', 'shop.fleeting', owner => 'owner_id')");
      await client.query("drop table shop.fleeting");
      await client.query(unregister("fleeting"));
      expect(await look(client)).toEqual(before);
      expect((await client.query("select from federation.list_resources() where name = 'fleeting'")).rowCount).toBe(0);
    });
  });

  test("a table that was renamed, with a column renamed, a column added and one dropped meanwhile", async () => {
    const change = `alter table shop.items rename to goods; alter table shop.goods rename column price to cost;
      alter table shop.goods drop column made_at; alter table shop.goods add column colour text`;
    await database.transaction(async (client) => {
      await client.query("savepoint start");
      await client.query(change);
      const relations = ["shop.goods", "shop.people", "shop.crews", "shop.crew_of_person"];
      const expected = await snapshot(client, relations, ROLES);
      await client.query("rollback to savepoint start");
      await client.query(ITEMS);
      await client.query(change);
      await client.query(unregister("items"));
      expect(await snapshot(client, relations, ROLES)).toEqual(expected);
    });
  });
});

test("a policy that was added after registration keeps its force after unregistering", async () => {
  await database.transaction(async (client) => {
    await client.query(ITEMS);
    await client.query("create policy later on shop.items to shop_reader using (false)");
    await client.query(unregister("items"));
    const { rows } = await client.query("select relrowsecurity as on from pg_class where oid = 'shop.items'::regclass");
    expect(rows).toEqual([{ on: true }]);
  });
});

test("a resource keeps the privileges it needs when another, whose role had them too, is unregistered", async () => {
  await database.transaction(async (client) => {
    // The role reads shop.items; through it, peers do before items is registered.
    await client.query("insert into shop.people values (1, 'one')");
    await client.query("insert into shop.items (owner_id, name) values (1, 'thing')");
    await client.query(BIND);
    await client.query(LOCKED);
    await client.query(ITEMS);
    await client.query(unregister("locked"));
    await client.query("select federation.enter_as_user('1')");
    await client.query("set local role federation_user");
    expect((await client.query("select name from shop.items")).rows).toEqual([{ name: "thing" }]);
  });
});

describe("unbinding the identity leaves as they were found", () => {
  test.each([
    ["users and memberships in two tables", BIND],
    [
      "memberships in a view",
      "select federation.bind_identity('shop.people', 'id', 'shop.crew_of_person', 'person_id', 'crew')",
    ],
    [
      "memberships in the users table",
      "select federation.bind_identity('shop.people', 'id', 'shop.people', 'id', 'name')",
    ],
    ["users without memberships", "select federation.bind_identity('shop.people', 'id')"],
  ])("%s, as their owner and as a superuser", async (_, bind) => {
    for (const role of ["shop_owner", "postgres"]) {
      await database.transaction(async (client) => {
        await client.query("select federation.unbind_identity()");
        await client.query(`set local role ${role}`);
        const before = await look(client);
        await client.query(bind);
        expect(await look(client)).not.toEqual(before);
        await client.query("select federation.unbind_identity()");
        expect(await look(client)).toEqual(before);
      });
    }
  });

  test("a table that another binding replaced", async () => {
    await expectRestored(
      [BIND],
      ["select federation.bind_identity('app.users', 'id', 'app.memberships', 'user_id', 'team_id')"],
    );
  });
});
