import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople } from "./actors.ts";
import { list, refusal } from "./verbs.ts";
import type { Page } from "./verbs.ts";

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** The pages of a grant with this cap over this many rows, taken one after the other with the same `first`. */
function pages(cap: number | undefined, there: number, first: number | null, most = 5): Promise<Page[]> {
  return database.transaction(async (client) => {
    await seedPeople(client, { olga: [] });
    await client.query(
      "insert into app.tasks (title, owner_id) select 'task ' || n, 'olga' from generate_series(1, $1) n",
      [there],
    );
    const scope = {
      resources: ["tasks"],
      include_personal: true,
      ...(cap === undefined ? {} : { max_rows_per_query: cap }),
    };
    const grant = await activeGrant(client, "olga", scope);
    return asPeer(client, grant, async () => {
      const taken: Page[] = [];
      let after: string | null = null;
      do {
        const page: Page = await list(client, "tasks", { first, after });
        taken.push(page);
        after = page.nextCursor;
      } while (after !== null && taken.length < most);
      return taken;
    });
  });
}

interface Expected {
  rows: number;
  more: boolean;
  capped: boolean;
}
const page = (rows: number, more: boolean, capped: boolean): Expected => ({ rows, more, capped });

test.each<[string, number | undefined, number, number | null, Expected[]]>([
  [
    "below the cap, a page is as long as asked",
    5,
    12,
    3,
    [page(3, true, false), page(3, true, false), page(3, true, false), page(3, false, false)],
  ],
  [
    "at the cap, a page is as long as asked",
    5,
    12,
    5,
    [page(5, true, false), page(5, true, false), page(2, false, false)],
  ],
  [
    "above the cap, a page is cut to it and says so",
    5,
    12,
    6,
    [page(5, true, true), page(5, true, true), page(2, false, false)],
  ],
  ["far above the cap, likewise", 5, 7, 2_147_483_647, [page(5, true, true), page(2, false, false)]],
  ["where no more rows were there, nothing was cut", 5, 5, 6, [page(5, false, false)]],
  ["where fewer rows were there, nothing was cut", 5, 4, 100, [page(4, false, false)]],
  ["where no row is there, the only page is empty", 5, 0, 100, [page(0, false, false)]],
  ["without a length a page asks for 50", 1_000, 60, null, [page(50, true, false), page(10, false, false)]],
  ["without a length the cap holds too", 7, 8, null, [page(7, true, true), page(1, false, false)]],
  ["the cap is 100 where the scope is silent", undefined, 120, 1_000, [page(100, true, true), page(20, false, false)]],
  ["the smallest cap is one row", 1, 2, 2, [page(1, true, true), page(1, false, false)]],
  ["the largest cap is 10 000 rows", 10_000, 10_001, 20_000, [page(10_000, true, true), page(1, false, false)]],
])("%s", async (_, cap, there, first, expected) => {
  const taken = await pages(cap, there, first);
  expect(taken.map(({ rows, nextCursor, capped }) => page(rows.length, nextCursor !== null, capped))).toEqual(expected);
  const ids = taken.flatMap(({ rows }) => rows.map((row) => row["id"]));
  expect(new Set(ids).size).toBe(there);
});

test.each([0, -1, -2_147_483_648])("a page of %d rows is a bad request", async (first) => {
  expect(await refusal(pages(5, 3, first))).toBe("BAD_REQUEST");
});

test.each([0, -1, 10_001, 1.5, "100", null, 1e400])("a scope with max_rows_per_query %j is refused", async (cap) => {
  await database.transaction(async (client) => {
    await seedPeople(client, { olga: [] });
    const scope = { resources: ["tasks"], max_rows_per_query: cap };
    expect(await refusal(activeGrant(client, "olga", scope))).toBe("SCOPE_INVALID");
  });
});
