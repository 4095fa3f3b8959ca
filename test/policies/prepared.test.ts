import type { PoolClient } from "pg";
import { escapeIdentifier } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople } from "./actors.ts";
import type { Grant, Scope } from "./actors.ts";
import { make, SHAPES, TABLE, team, TEAM } from "./prepared-shapes.ts";
import type { Shape } from "./prepared-shapes.ts";
import { get, list, listAll, only, refusal } from "./verbs.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const SCOPES: Record<string, Scope> = {
  "personal rows": { include_personal: true },
  "rows of teams": { include_teams: ["1", "3", "4"] },
  "rows of both kinds": { include_personal: true, include_teams: ["1", "2"] },
  "rows of every team": { include_teams: "*" },
  neither: {},
};

const FILTERS: { filter?: unknown; where: string }[] = [
  { where: "true" },
  { filter: { rank: { gte: 2 } }, where: "rank >= 2" },
  {
    filter: { due: { isNull: true }, owner_id: { in: ["olga", "mia"] } },
    where: "due is null and owner_id in ('olga', 'mia')",
  },
];

const ORDERS: readonly (Shape["orderBy"] | undefined)[] = [
  undefined,
  [{ column: "due" }],
  [
    { column: "rank", direction: "desc" },
    { column: "due", direction: "asc" },
  ],
  [{ column: TEAM }, { column: "id", direction: "desc" }],
];

/** The columns of a shape's table that leave. */
function columnsOf({ hidesTeam }: Shape): string[] {
  return ["id", "owner_id", ...(hidesTeam === true ? [] : [TEAM]), "rank", "due", "amount"];
}

/** The rows that a query of the table shows under its policies, in an order, as whoever the transaction is. */
async function plainly(
  client: PoolClient,
  { hidesTeam }: Pick<Shape, "hidesTeam">,
  where: string,
  order: Shape["orderBy"],
): Promise<unknown[]> {
  const terms = [...(order ?? []), { column: "id" }];
  const seen = new Set<string>();
  const clause = terms
    .filter(({ column }) => !seen.has(column) && seen.add(column))
    .map(
      ({ column, direction = "asc" }: { column: string; direction?: string }) =>
        `${escapeIdentifier(column)} ${direction}`,
    );
  const { rows } = await client.query<{ row: unknown }>(
    `select to_json(r) as row from (
       select id, owner_id, ${hidesTeam === true ? "" : `${team}, `}rank, due, amount::text from ${TABLE} where ${where} order by ${clause.join(", ")}
     ) r`,
  );
  return rows.map(({ row }) => row);
}

async function pages(client: PoolClient, options: { filter?: unknown; order?: unknown; first: number }) {
  const found: unknown[] = [];
  let after: string | null = null;
  do {
    const page = await list(client, "odd", { ...options, after });
    expect(page.rows.length).toBeLessThanOrEqual(options.first);
    found.push(...page.rows);
    after = page.nextCursor;
  } while (after !== null);
  return found;
}

async function personalCondition(client: PoolClient): Promise<string | null> {
  const { rows } = await client.query<{ condition: string | null; prepared: boolean }>(
    "select personal_condition as condition, is_prepared as prepared from federation.describe_resource('odd')",
  );
  expect(only(rows).prepared).toBe(true);
  return only(rows).condition;
}

describe.each(SHAPES)("with $name", (shape) => {
  test("every page that a peer gets holds the rows that the policies show to a plain query, in their order", async () => {
    await database.transaction(async (client) => {
      await make(client, shape);
      expect((await personalCondition(client)) !== null).toBe(shape.byTeam);
      let compared = 0;
      for (const [kind, scope] of Object.entries(SCOPES)) {
        const grant = await activeGrant(client, "olga", { resources: ["odd"], max_rows_per_query: 40, ...scope });
        await asPeer(client, grant, async () => {
          for (const { filter, where } of FILTERS) {
            for (const order of ORDERS.filter((terms) => terms?.[0]?.column !== TEAM || shape.hidesTeam !== true)) {
              const expected = await plainly(client, shape, where, order ?? shape.orderBy);
              compared += expected.length;
              // Many short pages of all rows, longer ones of those that a filter leaves.
              const found = await pages(client, { filter, order, first: filter === undefined ? 9 : 40 });
              expect(found, `${kind}, ${where}, ${JSON.stringify(order)}`).toEqual(expected);
            }
          }
          // The cap holds whatever is asked for.
          expect((await list(client, "odd", { first: 1000 })).rows.length).toBeLessThanOrEqual(40);
        });
      }
      expect(compared).toBeGreaterThan(200);
    });
  });

  test("a row that a plain query does not show is not got, and one that it shows is, without hidden columns", async () => {
    await database.transaction(async (client) => {
      await make(client, shape);
      const grant = await activeGrant(client, "olga", {
        resources: ["odd"],
        include_personal: true,
        include_teams: ["1", "2"],
      });
      const { rows } = await client.query<{ id: string }>(`select id::text from ${TABLE} order by id limit 60`);
      await asPeer(client, grant, async () => {
        const shown = new Map(
          (await plainly(client, shape, "true", undefined)).map((row) => [String((row as { id: number }).id), row]),
        );
        for (const { id } of rows) {
          const row = shown.get(id);
          if (row === undefined) {
            await client.query("savepoint absent");
            expect(await refusal(get(client, "odd", id))).toBe("NOT_FOUND");
            await client.query("rollback to absent");
          } else {
            expect(await get(client, "odd", id)).toEqual(row);
            expect(Object.keys(row as object)).toEqual(columnsOf(shape));
          }
        }
        expect(shown.size).toBeGreaterThan(10);
      });
    });
  });
});

const [NATIVE] = SHAPES as [Shape];
const SCOPE = { resources: ["odd"], include_personal: true, include_teams: "*", max_rows_per_query: 1000 };

/** What the peer of a grant is served, beside what a plain query shows to it. */
async function bothWays(client: PoolClient, grant: Grant): Promise<[unknown[], unknown[]]> {
  return asPeer(client, grant, async () => [
    (await list(client, "odd", { first: 1000 })).rows.map(({ id }) => id),
    (await plainly(client, {}, "true", undefined)).map((row) => (row as { id: number }).id),
  ]);
}

test.each([3, 10, 50])("a page of %d rows loses none where nearly all are one team's", async (first) => {
  await database.transaction(async (client) => {
    const teams = Array.from({ length: 30 }, (_, n) => `team-${n}`);
    await seedPeople(client, { olga: teams });
    // Some pages are of one team alone, others of all; what is equal in time is told apart by its key.
    await client.query(
      `insert into app.tasks (title, owner_id, team_id, created_at)
       select 'row ' || n, 'olga', case when n % 7 < 5 then 'team-3' when n % 7 = 5 then 'team-' || n % 30 end, now() + n / 4 * interval '1 second'
       from generate_series(1, 600) as n`,
    );
    const grant = await activeGrant(client, "olga", {
      resources: ["tasks"],
      include_personal: true,
      include_teams: teams.slice(0, 25),
      max_rows_per_query: 50,
    });
    await asPeer(client, grant, async () => {
      const { rows } = await client.query<{ id: string }>("select id from app.tasks order by created_at, id");
      expect(rows.length).toBeGreaterThan(500);
      const found = await listAll(client, "tasks", { first });
      expect(found.map(({ id }) => id)).toEqual(rows.map(({ id }) => id));
    });
  });
});

describe("what changes after a resource was registered holds for the next request:", () => {
  test.each([
    ["a policy that shows more", `create policy more on ${TABLE} for select using (rank = 3)`, 1],
    ["a policy that is altered to show more", `alter policy odd_native on ${TABLE} using (true)`, 1],
    ["a policy that shows less", `create policy less on ${TABLE} as restrictive using (rank <> 3)`, -1],
    ["a native policy that is gone", `drop policy odd_native on ${TABLE}`, -1],
    [
      "another name of the table",
      `alter table ${TABLE} rename to "other"; alter table app.other rename to "Odd ""things"" %s $4 'x'"`,
      0,
    ],
    ["another type of a column", `alter table ${TABLE} alter column rank type bigint`, 0],
  ])("%s", async (_, change, direction) => {
    await database.transaction(async (client) => {
      await make(client, NATIVE);
      const grant = await activeGrant(client, "olga", SCOPE);
      const [before] = await bothWays(client, grant);
      await client.query(change);
      const [served, plain] = await bothWays(client, grant);
      expect(served).toEqual(plain);
      expect(Math.sign(served.length - before.length)).toBe(direction);
      // Written anew, it still serves the same.
      await client.query("select federation.prepare_resources()");
      expect((await bothWays(client, grant))[0]).toEqual(plain);
    });
  });

  test("a column that is hidden later leaves in no answer", async () => {
    await database.transaction(async (client) => {
      await make(client, NATIVE);
      const grant = await activeGrant(client, "olga", SCOPE);
      const id = await asPeer(client, grant, async () => {
        const [row] = (await list(client, "odd")).rows;
        expect(row).toHaveProperty("amount");
        return String(row?.["id"]);
      });
      await client.query(
        `update federation.federation_resources set columns = array_remove(columns, 'amount'), hidden_columns = hidden_columns || 'amount'::name
         where name = 'odd'`,
      );
      await asPeer(client, grant, async () => {
        expect((await list(client, "odd")).rows[0]).not.toHaveProperty("amount");
        expect((await list(client, "odd", { order: [{ column: "due" }] })).rows[0]).not.toHaveProperty("amount");
        expect(await get(client, "odd", id)).not.toHaveProperty("amount");
      });
    });
  });

  test("a column that is dropped, or renamed, is in no answer, and no request fails for it", async () => {
    await database.transaction(async (client) => {
      await make(client, NATIVE);
      const grant = await activeGrant(client, "olga", SCOPE);
      const id = await asPeer(client, grant, async () => String((await list(client, "odd")).rows[0]?.["id"]));
      await client.query(`alter table ${TABLE} drop column amount; alter table ${TABLE} rename column due to until`);
      await asPeer(client, grant, async () => {
        const keys = ["id", "owner_id", TEAM, "rank"];
        expect(Object.keys((await list(client, "odd")).rows[0] ?? {})).toEqual(keys);
        expect(Object.keys(await get(client, "odd", id))).toEqual(keys);
      });
    });
  });

  test("a grant that was revoked is served nothing by what was written beforehand", async () => {
    await database.transaction(async (client) => {
      await make(client, NATIVE);
      const grant = await activeGrant(client, "olga", SCOPE);
      await asPeer(client, grant, async () => {
        const call =
          "select page_rows from federation_prepared.odd_list(null, 10, null, true, array['1', '2', '3', '4'], 11)";
        expect(only((await client.query<{ page_rows: unknown[] }>(call)).rows).page_rows).toHaveLength(10);
      });
      await client.query("select federation.revoke_grant($1)", [grant.id]);
      expect(await refusal(bothWays(client, grant))).toBe("GRANT_REVOKED");
    });
  });

  test("which teams are named to what was written beforehand decides nothing: out of scope there is no row", async () => {
    await database.transaction(async (client) => {
      await make(client, NATIVE);
      const grant = await activeGrant(client, "olga", { ...SCOPE, include_personal: false, include_teams: ["1"] });
      await asPeer(client, grant, async () => {
        const { rows } = await client.query<{ page_rows: Record<string, unknown>[] }>(
          "select page_rows from federation_prepared.odd_list(null, 1000, null, true, array['1', '2', '3', '4'], 1001)",
        );
        expect(new Set(only(rows).page_rows.map((row) => row[TEAM]))).toEqual(new Set(["1"]));
      });
    });
  });
});

describe("what is written beforehand", () => {
  const FUNCTIONS =
    "select p.proname as name from pg_proc p where p.pronamespace = 'federation_prepared'::regnamespace and p.proname like 'odd%' order by 1";

  test("goes with its resource", async () => {
    await database.transaction(async (client) => {
      await make(client, NATIVE);
      expect((await client.query<{ name: string }>(FUNCTIONS)).rows.map(({ name }) => name)).toEqual([
        "odd_get",
        "odd_list",
        "odd_mark",
      ]);
      await client.query("select federation.unregister_resource('odd')");
      expect((await client.query(FUNCTIONS)).rows).toEqual([]);
    });
  });

  test("belongs to federation_owner, runs with its caller's rights, and is for peers alone", async () => {
    await database.transaction(async (client) => {
      await make(client, NATIVE);
      const { rows } = await client.query<Record<string, unknown>>(
        `select p.proowner::regrole::text as owner, p.prosecdef as definer, p.proconfig[1] as path,
           array(select x.grantee::regrole::text from aclexplode(p.proacl) x where x.grantee <> p.proowner) as roles
         from pg_proc p where p.pronamespace = 'federation_prepared'::regnamespace`,
      );
      expect(rows.length).toBeGreaterThan(8);
      for (const row of rows) {
        expect(row).toEqual({
          owner: "federation_owner",
          definer: false,
          path: 'search_path=""',
          roles: ["federation_peer"],
        });
      }
    });
  });

  test.each([
    ["integer", "1; drop table app.tasks"],
    ["app.thing_number", "1; drop table app.tasks"],
    ["app.thing_number", "-1"],
  ])("refuses an id that is no %s as the same request would be refused without: %s", async (key, id) => {
    await database.transaction(async (client) => {
      await make(client, { ...NATIVE, key });
      const grant = await activeGrant(client, "olga", SCOPE);
      await asPeer(client, grant, async () => {
        expect(await refusal(get(client, "odd", id))).toBe("BAD_REQUEST");
      });
    });
  });
});
