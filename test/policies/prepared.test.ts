import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople } from "./actors.ts";
import type { Grant, Scope } from "./actors.ts";
import { admin } from "./grants.ts";
import { get, list, only, refusal } from "./verbs.ts";
import type { Page } from "./verbs.ts";

/** Tables without policies of their own: owner and team; owner alone; an order of two columns, one of them descending. */
const TABLES = {
  jobs: `register_resource('jobs', 'shop.jobs', owner => 'owner_id', team => 'team_id', order_by => '[{"column": "made_at"}]')`,
  drafts: `register_resource('drafts', 'shop.drafts', owner => 'owner_id')`,
  orders: `register_resource('orders', 'shop.orders', owner => 'owner_id', team => 'team_id',
    order_by => '[{"column": "amount", "direction": "desc"}, {"column": "made_at"}]', hidden_columns => '{secret}')`,
} as const;
type Resource = keyof typeof TABLES;
const RESOURCES = Object.keys(TABLES) as Resource[];

const SCOPES: Omit<Scope, "resources">[] = [
  {},
  { include_personal: true },
  { include_teams: "*" },
  { include_teams: "*", include_personal: true, max_rows_per_query: 3 },
  { include_teams: ["t1", "t9"], include_personal: true },
  { include_teams: ["no team of anyone"] },
];

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { ann: ["t1", "t2", "t3"], bob: ["t1"], eve: [], zoe: ["t1", "t9"] });
  await client.query("create schema shop");
  for (const resource of RESOURCES) {
    await client.query(`
      create table shop.${resource} (
        id bigint primary key, owner_id text not null, team_id text, made_at timestamptz not null, amount numeric not null, secret text
      );
      create index on shop.${resource} (owner_id, made_at, id);
      create index on shop.${resource} (team_id, made_at, id);
      insert into shop.${resource}
      select
        n, (array['ann', 'bob', 'eve', 'zoe'])[1 + n * 7 % 4],
        case when n % 3 > 0 then 't' || (1 + n * 5 % 10) end, timestamptz '2026-01-01' + (n % 40) * interval '1 hour', n % 11, 'hidden'
      from generate_series(1, 400) n;
      select federation.${TABLES[resource]};
    `);
  }
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

async function isPrepared(client: PoolClient, resource: string): Promise<boolean> {
  const { rows } = await client.query<{ is: boolean }>("select federation.is_prepared($1) as is", [resource]);
  return only(rows).is;
}

/** The page that the statement of one request answers with, which the prepared function stands in for. */
async function unprepared(
  client: PoolClient,
  resource: string,
  first: number | null,
  after: string | null,
): Promise<Page> {
  const { rows } = await client.query<{ page: Page }>(
    "select federation.list_rows($1, null, null, $2, $3, federation.scope_cap()) as page",
    [resource, first, after],
  );
  return only(rows).page;
}

async function grantOf(
  client: PoolClient,
  subject: string,
  scope: Omit<Scope, "resources"> = SCOPES[3] ?? {},
): Promise<Grant> {
  return activeGrant(client, subject, { resources: RESOURCES, ...scope });
}

describe.each(RESOURCES)("a prepared page of %s", (resource) => {
  test.each(["ann", "bob", "eve", "zoe"])(
    "is, page by page and for every scope, what list_rows answers and what the policies show: %s",
    async (subject) => {
      await database.transaction(async (client) => {
        expect(await isPrepared(client, resource)).toBe(true);
        let served = 0;
        for (const scope of SCOPES) {
          const grant = await grantOf(client, subject, scope);
          await asPeer(client, grant, async () => {
            const { rows } = await client.query<{ id: string }>(`select id::text from shop.${resource}`);
            for (const first of [null, 1, 7, 1_000]) {
              const ids: unknown[] = [];
              let after: string | null = null;
              do {
                const page: Page = await list(client, resource, { first, after });
                expect(page).toEqual(await unprepared(client, resource, first, after));
                ids.push(...page.rows.map(({ id }) => id));
                after = page.nextCursor;
              } while (after !== null && (first ?? 50) > 1);
              if ((first ?? 50) > 1) {
                expect(ids.toSorted()).toEqual(rows.map(({ id }) => id).toSorted());
              }
              served += ids.length;
            }
          });
        }
        expect(served).toBeGreaterThan(0);
      });
    },
  );
});

test("a page of many teams whose rows are shared unevenly is whole, page by page", async () => {
  await database.transaction(async (client) => {
    const teams = Array.from({ length: 9 }, (_, n) => `m${n}`);
    await seedPeople(client, { max: teams });
    // One team has most of the rows, and the first and last of them; the others have runs of their own.
    await client.query(`
      insert into shop.jobs
      select 1000 + n, 'zoe', case when n between 300 and 400 then 'm' || n % 9 else 'm4' end,
        timestamptz '2027-01-01' + n * interval '1 minute', 1, null
      from generate_series(1, 700) n`);
    const grant = await grantOf(client, "max", { include_teams: "*", max_rows_per_query: 1_000 });
    await asPeer(client, grant, async () => {
      for (const first of [30, 100, 333]) {
        const ids: unknown[] = [];
        let after: string | null = null;
        do {
          const page: Page = await list(client, "jobs", { first, after });
          expect(page).toEqual(await unprepared(client, "jobs", first, after));
          ids.push(...page.rows.map(({ id }) => id));
          after = page.nextCursor;
        } while (after !== null);
        expect(ids).toEqual(Array.from({ length: 700 }, (_, n) => String(1_001 + n)));
      }
    });
  });
});

describe("a prepared row", () => {
  test("is what get_row answers; one that is hidden is as absent as one that never was", async () => {
    await database.transaction(async (client) => {
      const grant = await grantOf(client, "bob");
      await asPeer(client, grant, async () => {
        const { rows } = await client.query<{ id: string }>("select id::text from shop.orders order by id limit 1");
        const { id } = only(rows);
        const answer = await client.query<{ row: unknown }>("select federation.get_row('orders', $1) as row", [id]);
        expect(await get(client, "orders", id)).toEqual(only(answer.rows).row);
        expect(Object.keys(await get(client, "orders", id))).not.toContain("secret");
      });
      const hidden = await client.query<{ id: string }>(
        "select id::text from shop.orders where owner_id = 'eve' and team_id is null limit 1",
      );
      for (const id of [only(hidden.rows).id, "987654321"]) {
        expect(await asPeer(client, grant, () => refusal(get(client, "orders", id)))).toBe("NOT_FOUND");
      }
      expect(await asPeer(client, grant, () => refusal(get(client, "orders", "not a number")))).toBe("BAD_REQUEST");
    });
  });
});

test("a prepared page shows nobody more, whatever subject and teams it is called with", async () => {
  await database.transaction(async (client) => {
    const grant = await grantOf(client, "bob", { include_teams: "*" });
    const call = "select page_rows from federation.page_of_jobs(1000, null, 'eve', true, array['t1', 't2', 't9'])";
    const { rows } = await asPeer(client, grant, () =>
      client.query<{ page_rows: Record<string, unknown>[] | null }>(call),
    );
    const teams = new Set(only(rows).page_rows?.map((row) => row["team_id"]));
    expect([...teams]).toEqual(["t1"]);
  });
});

describe("a change after a resource was prepared", () => {
  /** Applies a change; tells the ids that bob is shown before it and after it, each the same as without preparation. */
  async function around(change: string): Promise<{ before: Page; after: Page; prepared: boolean }> {
    return database.transaction(async (client) => {
      const grant = await grantOf(client, "bob", {
        include_teams: "*",
        include_personal: true,
        max_rows_per_query: 1_000,
      });
      const ask = (): Promise<Page> =>
        asPeer(client, grant, async () => {
          const page = await list(client, "jobs", { first: 1_000 });
          expect(page).toEqual(await unprepared(client, "jobs", 1_000, null));
          return page;
        });
      const before = await ask();
      await client.query(change);
      return { before, after: await ask(), prepared: await isPrepared(client, "jobs") };
    });
  }

  test("of its policies shows at once, whether it widens what a subject natively sees or narrows it", async () => {
    const wider = await around(
      "create policy more on shop.jobs for select to federation_peer using (owner_id = 'eve')",
    );
    expect(wider.after.rows.length).toBeGreaterThan(wider.before.rows.length);
    expect(wider.prepared).toBe(false);
    const narrower = await around(
      "create policy less on shop.jobs as restrictive for select to federation_peer using (amount > 5)",
    );
    expect(narrower.after.rows.length).toBeLessThan(narrower.before.rows.length);
    expect(narrower.after.rows.length).toBeGreaterThan(0);
    const altered = await around("alter policy jobs_native on shop.jobs using (owner_id = 'zoe')");
    expect(altered.after.rows).not.toEqual(altered.before.rows);
    expect(altered.prepared).toBe(false);
  });

  test("of a column's name or type shows at once", async () => {
    const { after: renamed } = await around("alter table shop.jobs rename column amount to total");
    expect(renamed.rows[0]).not.toHaveProperty("amount");
    const { before, after } = await around("alter table shop.jobs alter column amount type integer");
    expect([typeof before.rows[0]?.["amount"], typeof after.rows[0]?.["amount"]]).toEqual(["string", "number"]);
  });

  test("that takes the protection away ends it", async () => {
    await database.transaction(async (client) => {
      const grant = await grantOf(client, "bob");
      await client.query("drop policy jobs_scope on shop.jobs");
      expect(await asPeer(client, grant, () => refusal(list(client, "jobs")))).toBe("UNAVAILABLE");
    });
  });

  test("of the grant ends it within the same transaction", async () => {
    await database.transaction(async (client) => {
      const grant = await grantOf(client, "bob");
      expect((await asPeer(client, grant, () => list(client, "jobs"))).rows.length).toBeGreaterThan(0);
      await admin(client, "revoke_grant", grant.id);
      expect(await refusal(asPeer(client, grant, () => list(client, "jobs")))).toBe("GRANT_REVOKED");
    });
  });

  test("by which it is registered no more leaves no function behind", async () => {
    await database.transaction(async (client) => {
      await client.query("select federation.unregister_resource('drafts')");
      const { rows } = await client.query("select from pg_proc where proname in ('page_of_drafts', 'row_of_drafts')");
      expect(rows).toEqual([]);
      expect(await isPrepared(client, "drafts")).toBe(false);
    });
  });
});
