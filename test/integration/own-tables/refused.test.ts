import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { activeGrant } from "./peer.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.pool.query(`
    create schema shop;
    create table shop.items (id integer primary key, owner_id integer, crew text, name text, secret text, data json);
    create view shop.items_view as select * from shop.items;
    create materialized view shop.items_copy as select * from shop.items;
    create sequence shop.numbers;
    create table shop.pairs (a integer, b integer, owner_id integer, primary key (a, b));
    create table shop.keyless (id integer, owner_id integer);
    create table shop.partly (id integer not null, owner_id integer);
    create unique index on shop.partly (id) where owner_id is not null;
    create table shop.nullable (id integer unique, owner_id integer);
    create table shop.users_too (id integer primary key);
    insert into app.users values ('U1', 'One', 'one@example.org');
  `);
});
afterAll(() => database.close());

/** Registers, in a transaction that is rolled back, with good values where none are given. */
function register(args: Record<string, unknown> = {}, role = "postgres"): Promise<unknown> {
  const all: Record<string, unknown> = { name: "items", table_id: "shop.items", owner: "owner_id", ...args };
  const names = Object.keys(all);
  return database.transaction(async (client) => {
    await client.query(`set local role ${role}`);
    return client.query(
      `select federation.register_resource(${names.map((name, index) => `${name} => $${index + 1}`).join(", ")})`,
      names.map((name) => all[name]),
    );
  });
}

test("the table that the refusals below are tried on can be registered", async () => {
  await expect(register({ team: "crew" })).resolves.toBeDefined();
  await expect(
    register({ owner: "coalesce(owner_id, 0) % 3", team: "case when name = 'a''b' then crew end" }),
  ).resolves.toBeDefined();
});

describe("a registration is refused", () => {
  test.each([
    ["a view", { table_id: "shop.items_view" }],
    ["a materialized view", { table_id: "shop.items_copy" }],
    ["a sequence", { table_id: "shop.numbers" }],
    ["a table of the federation's own", { table_id: "federation.federation_grants" }],
    ["a table of the system", { table_id: "pg_catalog.pg_class" }],
    ["a table whose key has two columns", { table_id: "shop.pairs" }],
    ["one of two key columns as the key", { table_id: "shop.pairs", key_column: "a" }],
    ["a table without a key", { table_id: "shop.keyless" }],
    ["a key that is unique for some rows only", { table_id: "shop.partly", key_column: "id" }],
    ["a key that may be null", { table_id: "shop.nullable", key_column: "id" }],
    ["no owner, where the table has no policies", { owner: null }],
  ])("of %s", async (_, args) => {
    await expect(register(args)).rejects.toMatchObject({ code: "MF022" });
  });

  test.each([
    ["owner", { owner: "nobody" }],
    ["team", { team: "nothing" }],
    ["key", { key_column: "nothing" }],
    ["text column", { text_columns: ["name", "nothing"] }],
    ["time column", { time_column: "nothing" }],
    ["hidden column", { hidden_columns: ["nothing"] }],
    ["text column that is hidden", { text_columns: ["secret"], hidden_columns: ["secret"] }],
    ["key that is hidden", { hidden_columns: ["id"] }],
    ["system column as the key", { key_column: "ctid" }],
    ["column name with a quote and more SQL", { key_column: 'id" or true' }],
  ])("with a %s that is none", async (_, args) => {
    await expect(register(args)).rejects.toMatchObject({ code: "MF022" });
  });

  test.each([
    ["a column that is none", [{ column: "nothing" }]],
    ["a column that is hidden", [{ column: "secret" }]],
    ["a direction that is none", [{ column: "name", direction: "desc; drop table shop.items" }]],
  ])("with an order by %s", async (_, order) => {
    await expect(register({ order_by: JSON.stringify(order), hidden_columns: ["secret"] })).rejects.toMatchObject({
      code: "MF012",
    });
  });

  test.each([
    ["capitals", "Items"],
    ["a quote", 'items"'],
    ["a semicolon", "items; drop table shop.items"],
    ["a line break", "items\n"],
    ["a digit in front", "1items"],
    ["51 letters", "i".repeat(51)],
    ["nothing", ""],
    ["null", null],
  ])("under a name of or with %s", async (_, name) => {
    await expect(register({ name })).rejects.toMatchObject({ code: "MF022" });
  });

  test.each([
    ["a second statement", "owner_id; drop table shop.items"],
    ["a comment to the end of the line", "owner_id --"],
    ["a comment", "owner_id /* and */"],
    ["a query that is no subquery", "owner_id from shop.items where (true"],
    ["a parenthesis that ends the expression", "owner_id) = 1 or (owner_id"],
    ["a parenthesis that ends the expression, where both halves are conditions", "true) or (null::boolean"],
    ["a parenthesis that ends the policy", "owner_id = 1)) with check ((true"],
    ["a string that does not end", "owner_id || '"],
    ["a dollar quote that does not end", "owner_id || $a$"],
    ["an aggregate", "max(owner_id)"],
    ["a window function", "first_value(owner_id) over ()"],
    ["a set", "generate_series(1, owner_id)"],
    ["two columns", "owner_id, id"],
    ["every column", "items.*"],
    ["a table that is none", "(select max(id) from shop.nothing)"],
    ["a function that is none", "nothing(owner_id)"],
    ["a table without its schema", "(select max(id) from items)"],
    ["a value that cannot be computed", "1 / 0"],
    ["a type that text cannot be cast to", "point(1, owner_id)::record"],
    ["a type that knows no equality", "data"],
    ["nothing", ""],
  ])("where the owner or the team is an expression with %s", async (_, expression) => {
    await expect(register({ owner: expression })).rejects.toMatchObject({ code: "MF022" });
    await expect(register({ team: expression })).rejects.toMatchObject({ code: "MF022" });
  });

  test.each([
    ["name", { name: "tasks" }],
    ["table", { table_id: "app.tasks" }],
  ])("of a %s that is registered already", async (_, args) => {
    await expect(register(args)).rejects.toMatchObject({ code: "MF031" });
  });

  test("as an administrator to whom the table does not belong", async () => {
    await expect(register({}, "federation_admin")).rejects.toMatchObject({ code: "42501" });
    await expect(register({}, "federation_user")).rejects.toMatchObject({ code: "42501" });
  });
});

describe("a binding is refused", () => {
  test.each([
    ["users in a view", "'shop.items_view', 'id'"],
    ["a user column that is none", "'shop.users_too', 'nothing'"],
    ["a user column with a quote and more SQL", `'shop.users_too', 'id"; drop table shop.items'`],
    ["memberships without a team column", "'shop.users_too', 'id', 'shop.items', 'owner_id'"],
    ["a team column that is none", "'shop.users_too', 'id', 'shop.items', 'owner_id', 'nothing'"],
  ])("with %s", async (_, args) => {
    await expect(database.pool.query(`select federation.bind_identity(${args})`)).rejects.toMatchObject({
      code: "MF022",
    });
  });

  test("as an administrator to whom the tables do not belong", async () => {
    await expect(
      database.transaction(async (client) => {
        await client.query("set local role federation_admin");
        await client.query("select federation.bind_identity('shop.users_too', 'id')");
      }),
    ).rejects.toMatchObject({ code: "42501" });
  });
});

describe("unregistering is refused", () => {
  test("while a live grant names the resource, and only so long", async () => {
    const { grantId } = await activeGrant(database, "U1", { resources: ["tasks"] });
    const unregister = "select federation.unregister_resource('tasks')";
    await expect(database.pool.query(unregister)).rejects.toMatchObject({ code: "MF031" });
    await database.pool.query("select federation.suspend_grant($1)", [grantId]);
    await expect(database.pool.query(unregister)).rejects.toMatchObject({ code: "MF031" });
    await database.pool.query("select federation.revoke_grant($1)", [grantId]);
    await expect(database.transaction((client) => client.query(unregister))).resolves.toBeDefined();
  });

  test("of a resource that there is not", async () => {
    await expect(database.pool.query("select federation.unregister_resource('nothing')")).rejects.toMatchObject({
      code: "MF011",
    });
  });
});
