import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, asUser, seedPeople } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { list, listAll, only, refusal } from "./verbs.ts";
import type { ListArguments } from "./verbs.ts";

const SCOPE = { resources: ["tasks", "notes"], include_teams: "*", include_personal: true };
const ROWS = 40;

let database: TestDatabase;
let grant: Grant;
let twin: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: ["t1", "t2"], mia: ["t1"] });
  // Every column has ties, every column that may be null has nulls, and the times differ by a microsecond.
  await client.query(
    `insert into app.projects (id, name, owner_id)
     select ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'p' || n, 'olga' from generate_series(1, 3) as n`,
  );
  await client.query(
    `insert into app.tasks (title, body, status, priority, due_on, owner_id, team_id, project_id, created_at)
     select
       (array['a', 'B', 'ä', 'it''s "so"', '{"a","b"}', E'two\nlines', ''])[1 + n % 7],
       case when n % 4 > 0 then 'body ' || n % 3 end,
       (array['open', 'doing', 'done'])[1 + n % 3],
       1 + n % 5,
       case when n % 3 > 0 then date '2026-01-01' + n % 6 end,
       case when n % 2 = 0 then 'olga' else 'mia' end,
       case when n % 2 = 0 then (array['t1', 't2', null])[1 + n % 3] else 't1' end,
       case when n % 5 > 1 then ('00000000-0000-4000-8000-00000000000' || 1 + n % 3)::uuid end,
       timestamptz '2026-01-01 12:00:00Z' + (n / 2) * interval '1 microsecond'
     from generate_series(1, $1) as n`,
    [ROWS],
  );
  await client.query("insert into app.notes (title, owner_id) select 'n' || n, 'olga' from generate_series(1, 9) as n");
  grant = await activeGrant(client, "olga", SCOPE);
  twin = await activeGrant(client, "olga", SCOPE);
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

function pageAs(who: Grant, resource: string, options: ListArguments): ReturnType<typeof list> {
  return database.transaction((client) => asPeer(client, who, () => list(client, resource, options)));
}

async function cursorOf(options: ListArguments = {}, resource = "tasks"): Promise<string> {
  const { nextCursor } = await pageAs(grant, resource, { first: 4, ...options });
  expect(nextCursor).toMatch(/^[A-Za-z0-9_-]+$/);
  return nextCursor ?? "";
}

const COLUMNS = [
  "id",
  "title",
  "body",
  "status",
  "priority",
  "due_on",
  "owner_id",
  "team_id",
  "project_id",
  "created_at",
];
const ORDERS: string[][] = [
  ...COLUMNS.flatMap((column) => [[`${column} asc`], [`${column} desc`]]),
  ["due_on desc", "body asc"],
  ["due_on asc", "body desc"],
  ["team_id asc", "project_id desc", "due_on asc", "body desc"],
  ["priority desc", "created_at desc", "id desc"],
  ["status asc", "id desc", "title asc"],
];

describe("pages", () => {
  test.each(ORDERS)("by %s %s %s %s, taken one after the other, hold every row once and in order", async (...terms) => {
    await database.transaction(async (client) => {
      const order = terms.map((term) => {
        const [column, direction] = term.split(" ");
        return { column, direction };
      });
      const whole = await client.query<{ id: string }>(
        `select id from app.tasks order by ${[...terms, "id asc"].join(", ")}`,
      );
      expect(whole.rows).toHaveLength(ROWS);
      for (const first of [1, 3, 7]) {
        const paged = await asPeer(client, grant, () => listAll(client, "tasks", { order, first }));
        expect(paged.map((row) => row["id"])).toEqual(whole.rows.map(({ id }) => id));
      }
    });
  });

  test("are continued in a later transaction, and a row that went in between takes no other with it", async () => {
    await database.transaction(async (client) => {
      const all = await asPeer(client, grant, () => listAll(client, "tasks"));
      const one = await asPeer(client, grant, () => list(client, "tasks", { first: 10 }));
      await client.query("delete from app.tasks where id = $1", [one.rows[9]?.["id"]]);
      const two = await asPeer(client, grant, () => list(client, "tasks", { first: 10, after: one.nextCursor }));
      expect(two.rows).toEqual(all.slice(10, 20));
    });
  });

  test("in an order by values too long for a cursor are refused at the first, and not at the second", async () => {
    await database.transaction(async (client) => {
      await client.query(
        "insert into app.notes (title, owner_id) select repeat('~', 10000) || n, 'olga' from generate_series(1, 2) as n",
      );
      const order = [{ column: "title", direction: "desc" }];
      const page = (first: number): ReturnType<typeof list> =>
        asPeer(client, grant, () => list(client, "notes", { order, first }));
      expect(await page(20)).toMatchObject({ rows: { length: 11 }, nextCursor: null });
      expect(await refusal(page(1))).toBe("BAD_REQUEST");
    });
  });

  test("hold only rows of the filter", async () => {
    await database.transaction(async (client) => {
      const filter = { status: { in: ["open", "done"] }, due_on: { isNull: false } };
      const paged = await asPeer(client, grant, () => listAll(client, "tasks", { filter, first: 2 }));
      const { rows } = await client.query(
        "select id from app.tasks where status in ('open', 'done') and due_on is not null order by created_at, id",
      );
      expect(paged.map((row) => ({ id: row["id"] }))).toEqual(rows);
    });
  });
});

describe("a cursor", () => {
  test("goes on where the same query of the same grant stopped", async () => {
    expect((await pageAs(grant, "tasks", { after: await cursorOf(), first: 2 })).rows).toHaveLength(2);
  });

  test("of another grant of the same subject and scope is refused", async () => {
    expect(await refusal(pageAs(twin, "tasks", { after: await cursorOf() }))).toBe("BAD_REQUEST");
  });

  test("of another resource is refused", async () => {
    const after = await cursorOf({}, "notes");
    expect((await pageAs(grant, "notes", { after })).rows).toHaveLength(5);
    expect(await refusal(pageAs(grant, "tasks", { after }))).toBe("BAD_REQUEST");
  });

  test.each<[string, ListArguments]>([
    ["another filter", { filter: { priority: { gt: 1 } } }],
    ["no filter", {}],
    ["the same comparisons on another column", { filter: { title: { ne: "x" } } }],
  ])("is refused with %s", async (_, options) => {
    const after = await cursorOf({ filter: { status: { ne: "x" } } });
    expect((await pageAs(grant, "tasks", { filter: { status: { ne: "x" } }, after })).rows.length).toBeGreaterThan(0);
    expect(await refusal(pageAs(grant, "tasks", { ...options, after }))).toBe("BAD_REQUEST");
  });

  test.each<[string, ListArguments]>([
    ["another column", { order: [{ column: "due_on" }] }],
    ["another direction", { order: [{ column: "priority", direction: "desc" }] }],
    ["a further column", { order: [{ column: "priority" }, { column: "title" }] }],
    ["the default order", {}],
  ])("is refused with %s in the order", async (_, options) => {
    const after = await cursorOf({ order: [{ column: "priority" }] });
    expect((await pageAs(grant, "tasks", { order: [{ column: "priority" }], after })).rows.length).toBeGreaterThan(0);
    expect(await refusal(pageAs(grant, "tasks", { ...options, after }))).toBe("BAD_REQUEST");
  });

  test("of a local user is refused to a peer", async () => {
    const after = await database.transaction((client) =>
      asUser(client, "olga", async () => {
        const { rows } = await client.query<{ cursor: string }>(
          "select federation.list_rows('tasks', null, null, 4, null, 100) ->> 'nextCursor' as cursor",
        );
        return only(rows).cursor;
      }),
    );
    expect(await refusal(pageAs(grant, "tasks", { after }))).toBe("BAD_REQUEST");
  });

  test("cut anywhere is refused", async () => {
    const cursor = await cursorOf();
    for (let length = 0; length < cursor.length; length += 7) {
      expect(await refusal(pageAs(grant, "tasks", { after: cursor.slice(0, length) })), `${length} characters`).toBe(
        "BAD_REQUEST",
      );
    }
  });

  test("changed anywhere is refused", async () => {
    const cursor = await cursorOf();
    for (let at = 0; at < cursor.length - 1; at += 7) {
      const changed = cursor.slice(0, at) + (cursor[at] === "A" ? "B" : "A") + cursor.slice(at + 1);
      expect(await refusal(pageAs(grant, "tasks", { after: changed })), `character ${at}`).toBe("BAD_REQUEST");
    }
  });

  test("with another row's position under the same code is refused", async () => {
    const text = Buffer.from(await cursorOf(), "base64url").toString();
    const [code, position] = [text.slice(0, 64), JSON.parse(text.slice(64)) as string[]];
    const forged = Buffer.from(code + JSON.stringify([position[0], "00000000-0000-0000-0000-000000000000"])).toString(
      "base64url",
    );
    expect(await refusal(pageAs(grant, "tasks", { after: forged }))).toBe("BAD_REQUEST");
  });

  test.each([
    "",
    "null",
    "=",
    "====",
    "A".repeat(8192),
    "A".repeat(9000),
    "ä",
    "' or true --",
    Buffer.from(`${"0".repeat(64)}["2026-01-01","x"]`).toString("base64url"),
    Buffer.from([0xff, 0xfe, 0xfd]).toString("base64url"),
  ])("that was never one is refused (%#)", async (after) => {
    expect(await refusal(pageAs(grant, "tasks", { after }))).toBe("BAD_REQUEST");
  });
});
