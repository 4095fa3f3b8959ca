import { createHash } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { IDEAS, makeIdeas, search } from "./search.ts";

const PAIRS = 1_000;
const WORDS = 100;
const HIDDEN_ROWS_OF_A_WORD = 200;
const VISIBLE_ROWS = 100;
// The chance that one of two equal distributions beats the other is 0.5 with a standard error of 0.013 for 1 000 pairs.
const NOISE = 0.06;

/** Words that nothing tells apart but whether hidden rows hold them. */
const word = (kind: string, n: number): string =>
  createHash("sha256")
    .update(`${kind} ${n}`)
    .digest("base64url")
    .toLowerCase()
    .replace(/[^a-z]/g, "")
    .slice(0, 9);

let database: TestDatabase;
let client: PoolClient;
let grant: Grant;
beforeAll(async () => {
  database = await openTestDatabase();
  client = await database.pool.connect();
  await client.query("begin");
  grant = await withHiddenWords();
}, 600_000);
afterAll(async () => {
  await client.query("rollback");
  client.release();
  await database.close();
});

/** How often a present word takes longer than an absent one, of all combinations (Mann and Whitney 1947). */
function chanceThatLonger(present: readonly number[], absent: readonly number[]): number {
  const all = [...present.map((ms) => ({ ms, present: true })), ...absent.map((ms) => ({ ms, present: false }))].sort(
    (a, b) => a.ms - b.ms,
  );
  const ranks = all.reduce((sum, { present: mine }, index) => sum + (mine ? index + 1 : 0), 0);
  return (ranks - (present.length * (present.length + 1)) / 2) / (present.length * absent.length);
}

async function timed(ask: (text: string) => Promise<unknown>): Promise<number> {
  const times = { present: [] as number[], absent: [] as number[] };
  for (let n = 0; n < PAIRS; n += 1) {
    // Which goes first alternates, so that what gets slower or faster over time meets both alike.
    for (const kind of n % 2 === 0 ? (["present", "absent"] as const) : (["absent", "present"] as const)) {
      const started = performance.now();
      await ask(word(kind, n % WORDS));
      times[kind].push(performance.now() - started);
    }
  }
  return chanceThatLonger(times.present, times.absent);
}

/** Rows of olga's, and others' with words that none of hers has; a grant that speaks for her. */
async function withHiddenWords(): Promise<Grant> {
  await seedPeople(client, { olga: ["T1"], hugo: [] });
  await makeIdeas(client, []);
  const hidden = Array.from({ length: WORDS }, (_, n) => word("present", n));
  for (const [table, id] of [
    ["ideas", "n"],
    ["tasks", "gen_random_uuid()"],
  ] as const) {
    await client.query(
      `insert into app.${table} (id, owner_id, title, body)
       select ${id}, case when n <= $3::integer then 'olga' else 'hugo' end, 'an idea ' || n, case when n > $3 then ($1::text[])[1 + n % $2::integer] end
       from generate_series(1, $3::integer + $2::integer * $4::integer) as n`,
      [hidden, WORDS, VISIBLE_ROWS, HIDDEN_ROWS_OF_A_WORD],
    );
  }
  await client.query("analyze federation.federation_search_documents; analyze app.ideas; analyze app.tasks");
  return activeGrant(client, "olga", { resources: [IDEAS, "tasks"], include_personal: true });
}

describe("how long a search takes", () => {
  test.each([IDEAS, "tasks"])(
    "in %s does not tell whether a hidden row holds the word",
    async (resource) => {
      await asPeer(client, grant, async () => {
        const chance = await timed(async (text) => {
          expect((await search(client, text, { resources: [resource] })).hits).toEqual([]);
        });
        console.log(
          `${database.kind}, ${resource}: a present word takes longer in ${(100 * chance).toFixed(1)} % of all pairs`,
        );
        expect(Math.abs(chance - 0.5)).toBeLessThan(NOISE);
      });
    },
    600_000,
  );

  test("would tell if the index were entered without the session's prefixes: the measure is sharp enough to see it", async () => {
    await client.query("create index on federation.federation_search_documents using gin (document)");
    await client.query("set local enable_seqscan = off");
    const chance = await timed((text) =>
      client.query(
        "select count(*) from federation.federation_search_documents where document @@ websearch_to_tsquery('simple', $1)",
        [text],
      ),
    );
    expect(chance - 0.5).toBeGreaterThan(2 * NOISE);
  }, 600_000);
});
