import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestDatabase } from "../../harness/database.ts";
import { NORTHWIND_OWNER, openNorthwind, runAs, statementsOf } from "./northwind.ts";
import { activeGrant, asPeer, get, list } from "./peer.ts";
import type { PeerSession } from "./peer.ts";

let database: TestDatabase;

// Employee 5 sells in region 1, with 1, 2 and 4; 3 in region 4; 6 and 7 in region 2; 8 and 9 in region 3.
const SCOPE = { resources: ["orders"], include_teams: ["1"], include_personal: true, max_rows_per_query: 1000 };

beforeAll(async () => {
  database = await openNorthwind();
  // An employee with no territory, whose one order is therefore nobody's but theirs.
  await database.pool.query(`
    insert into public.employees (employee_id, last_name, first_name) values (10, 'Newcomer', 'Nora');
    insert into public.orders (order_id, employee_id, order_date) values (20000, 10, '1998-06-01');
  `);
  await runAs(database, NORTHWIND_OWNER, statementsOf("own-tables.md", "sql"));
});
afterAll(() => database.close());

/** Orders as plain SQL joins find them, by a role that row-level security does not bind; without the hidden column. */
async function ordersWhere(condition: string, order = "o.order_id"): Promise<Record<string, unknown>[]> {
  const { rows } = await database.pool.query<{ row: Record<string, unknown> }>(
    `select to_jsonb(o) - 'freight' as row
     from public.orders o
     left join lateral (
       select distinct t.region_id
       from public.employee_territories e join public.territories t using (territory_id)
       where e.employee_id = o.employee_id
     ) r on true
     where ${condition}
     order by ${order}`,
  );
  return rows.map(({ row }) => row);
}

describe("orders, owned by an employee, of the team that is the employee's region", () => {
  let peer: PeerSession;
  beforeAll(async () => {
    peer = await activeGrant(database, "5", SCOPE);
  });

  test("a member of a region that is in scope is served every order of the region", async () => {
    const expected = await ordersWhere("r.region_id = 1");
    const page = await list(database, peer, "orders", { first: 1000 });
    expect(expected.length).toBeGreaterThan(300);
    expect(page).toEqual({ rows: expected, nextCursor: null, capped: false });
  });

  test("a region out of scope is not served, not even the orders that the subject owns in it", async () => {
    expect(await ordersWhere("o.employee_id = 5")).not.toEqual([]);
    const other = await activeGrant(database, "5", { ...SCOPE, include_teams: ["2", "3"] });
    expect((await list(database, other, "orders")).rows).toEqual([]);
  });

  test("every region that the scope allows is served to its members only", async () => {
    const everywhere = await activeGrant(database, "7", { ...SCOPE, include_teams: "*" });
    expect((await list(database, everywhere, "orders", { first: 1000 })).rows).toEqual(
      await ordersWhere("r.region_id = 2"),
    );
  });

  test("an order whose employee has no region is personal: served to its owner where the scope says so", async () => {
    const personal = await activeGrant(database, "10", { ...SCOPE, include_teams: "*" });
    expect((await list(database, personal, "orders")).rows).toEqual(await ordersWhere("o.order_id = 20000"));
    const impersonal = await activeGrant(database, "10", { resources: ["orders"], include_teams: "*" });
    expect((await list(database, impersonal, "orders")).rows).toEqual([]);
  });

  test.each([
    [
      "a range of dates",
      { order_date: { gte: "1997-01-01", lt: "1997-03-01" } },
      "o.order_date >= '1997-01-01' and o.order_date < '1997-03-01'",
    ],
    ["an integer", { employee_id: { eq: 4 } }, "o.employee_id = 4"],
    ["an integer of another region", { employee_id: { eq: 3 } }, "false"],
    [
      "a list of integers",
      { order_id: { in: [10248, 10258, 10270, 11077] } },
      "o.order_id in (10248, 10258, 10270, 11077)",
    ],
    [
      "an integer and a text",
      { ship_via: { ne: 1 }, ship_country: { eq: "Germany" } },
      "o.ship_via <> 1 and o.ship_country = 'Germany'",
    ],
    ["a date that is missing", { shipped_date: { isNull: true } }, "o.shipped_date is null"],
  ])("a filter by %s finds what the same condition in SQL finds", async (_, filter, condition) => {
    const { rows } = await list(database, peer, "orders", { filter, first: 1000 });
    expect(rows).toEqual(await ordersWhere(`r.region_id = 1 and (${condition})`));
  });

  test.each([
    ["a text for an integer", { employee_id: { eq: "4 or true" } }],
    ["an integer beyond the column's type", { order_id: { gt: 99999999 } }],
    ["what is no date", { order_date: { lt: "the day before" } }],
    ["a hidden column", { freight: { gt: 1 } }],
  ])("a filter by %s is a bad request", async (_, filter) => {
    await expect(list(database, peer, "orders", { filter })).rejects.toMatchObject({ code: "MF012" });
  });

  test.each([
    ["the integer key", undefined, "o.order_id"],
    [
      "a date that many rows share, newest first",
      [{ column: "order_date", direction: "desc" }],
      "o.order_date desc, o.order_id",
    ],
    ["a date that some rows lack", [{ column: "shipped_date" }], "o.shipped_date, o.order_id"],
  ])("pages in the order of %s, put together, are all the rows once", async (_, order, clause) => {
    const served: Record<string, unknown>[] = [];
    let after: string | undefined;
    let pages = 0;
    do {
      const page = await list(database, peer, "orders", {
        first: 37,
        ...(order === undefined ? {} : { order }),
        ...(after === undefined ? {} : { after }),
      });
      served.push(...page.rows);
      after = page.nextCursor ?? undefined;
      pages += 1;
    } while (after !== undefined);
    expect(served).toEqual(await ordersWhere("r.region_id = 1", clause));
    expect(pages).toBe(Math.ceil(served.length / 37));
  });

  test("an order is got by its integer key, given as text", async () => {
    const [expected] = await ordersWhere("o.order_id = 10258");
    expect(await get(database, peer, "orders", "10258")).toEqual(expected);
  });

  test.each([
    ["of another region", "10249", "MF011"],
    ["that never was", "1", "MF011"],
    ["whose id is no integer", "10258 or true", "MF012"],
    ["whose id is beyond the key's type", "99999999", "MF012"],
  ])("an order %s is not got", async (_, id, code) => {
    await expect(get(database, peer, "orders", id)).rejects.toMatchObject({ code });
  });

  test("the peer's role cannot read the hidden column, nor the tables that the team expression reads, beyond what it needs", async () => {
    for (const statement of [
      "select freight from public.orders",
      "select last_name from public.employees",
      "select territory_id from public.employee_territories",
      "update public.orders set employee_id = 5",
    ]) {
      await expect(asPeer(database, peer, (client) => client.query(statement))).rejects.toMatchObject({
        code: expect.stringMatching(/^(42501|25006)$/) as string,
      });
    }
  });
});

describe("customers, owned by an expression, without teams", () => {
  test("every customer of the subject is personal", async () => {
    const peer = await activeGrant(database, "5", {
      resources: ["customers"],
      include_personal: true,
      max_rows_per_query: 1000,
    });
    const { rows } = await database.pool.query<{ id: string }>(
      `select c.customer_id as id from public.customers c
       where 5 = (
         select o.employee_id from public.orders o where o.customer_id = c.customer_id order by o.order_date desc, o.order_id desc limit 1
       )
       order by c.customer_id`,
    );
    const page = await list(database, peer, "customers", { first: 1000 });
    expect(rows.length).toBeGreaterThan(1);
    expect(page.rows.map((row) => row["customer_id"])).toEqual(rows.map(({ id }) => id));
    expect(page.rows[0]).not.toHaveProperty("phone");
  });

  test("a scope that leaves out what is personal leaves out every customer", async () => {
    const peer = await activeGrant(database, "5", { resources: ["customers"], include_teams: "*" });
    expect((await list(database, peer, "customers")).rows).toEqual([]);
  });

  test("a resource that the scope does not name is refused", async () => {
    const peer = await activeGrant(database, "5", SCOPE);
    await expect(list(database, peer, "customers")).rejects.toMatchObject({ code: "MF010" });
  });
});

test("the application's own role still reads and writes every row of a registered table", async () => {
  await database.transaction(async (client) => {
    await client.query("create role northwind_app; grant select, update on public.orders to northwind_app");
    await client.query("set local role northwind_app");
    expect((await client.query("select from public.orders")).rowCount).toBe(831);
    expect((await client.query("update public.orders set ship_via = 2")).rowCount).toBe(831);
  });
});

test("an employee who is deleted is the subject of no live grant", async () => {
  const peer = await activeGrant(database, "10", SCOPE);
  await database.transaction(async (client) => {
    await client.query("delete from public.orders where employee_id = 10");
    await client.query("delete from public.employees where employee_id = 10");
    const { rows } = await client.query("select status from federation.list_grants() where id = $1", [peer.grantId]);
    expect(rows).toEqual([{ status: "revoked" }]);
  });
});

test("the statements by which the page undoes it leave no policy and no row-level security", async () => {
  await runAs(database, NORTHWIND_OWNER, statementsOf("own-tables.md", "sql undo"));
  const { rows } = await database.pool.query(
    "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace and (c.relrowsecurity or exists (select from pg_policy p where p.polrelid = c.oid))",
  );
  expect(rows).toEqual([]);
  expect((await database.pool.query("select from federation.list_resources()")).rowCount).toBe(0);
});
