import fc from "fast-check";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople, seedTeams } from "./actors.ts";
import { makeIdeas, searchAll } from "./search.ts";
import type { Idea } from "./search.ts";

const SEED = Number(process.env["MOSAIC_TEST_SEED"] ?? 20_261_123);
const WORDS = ["apple", "birch", "cedar", "delta", "ember"];
const USERS = ["u1", "u2", "u3"];
const TEAMS = ["t1", "t2", "t3"];
const QUERIES_PER_WORLD = 12;

const sentence = fc.array(fc.constantFrom(...WORDS), { maxLength: 5 }).map((words) => words.join(" "));
const ideas = fc.array(
  fc.record({
    owner: fc.constantFrom(...USERS),
    team: fc.option(fc.constantFrom(...TEAMS)),
    title: sentence,
    body: fc.option(sentence),
  }),
  { minLength: 20, maxLength: 40 },
);
const scopes = fc.record(
  {
    include_teams: fc.oneof(fc.constant("*" as const), fc.subarray(TEAMS)),
    include_personal: fc.boolean(),
  },
  { requiredKeys: [] },
);
const term = fc.oneof(
  fc.constantFrom(...WORDS),
  fc.constantFrom(...WORDS).map((word) => `-${word}`),
  fc.tuple(fc.constantFrom(...WORDS), fc.constantFrom(...WORDS)).map(([a, b]) => `"${a} ${b}"`),
  fc.constantFrom("or", "xylophone", "ced", "app"),
);
const queries = fc.array(
  fc.array(term, { minLength: 1, maxLength: 4 }).map((terms) => terms.join(" ")),
  {
    minLength: QUERIES_PER_WORLD,
    maxLength: QUERIES_PER_WORLD,
  },
);

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

/** The same rows under policies that an application brought along: these are read one by one, without the index. */
async function makeCopy(client: PoolClient): Promise<void> {
  await client.query(`
    create table app.copies (like app.ideas including all);
    insert into app.copies select * from app.ideas;
    alter table app.copies enable row level security;
    create policy mine on app.copies for select to federation_peer, federation_user
      using (owner_id = (select federation.current_subject()) or team_id = any ((select federation.current_teams())::text[]));
    select federation.register_resource(
      name => 'copies', table_id => 'app.copies', owner => 'owner_id', team => 'team_id', text_columns => '{title,body}', hidden_columns => '{secret}'
    )`);
}

test("the index finds the rows that reading every visible row finds, in the same order, and only those with the words", async () => {
  const counted = { searches: 0, hits: 0, empty: 0 };
  await fc.assert(
    fc.asyncProperty(ideas, scopes, fc.constantFrom(...USERS), queries, (world, scope, subject, asked) =>
      database.transaction(async (client) => {
        await seedTeams(client, TEAMS);
        await seedPeople(client, { u1: ["t1"], u2: ["t1", "t2"], u3: [] });
        const rows: Idea[] = world.map((row, id) => ({ id, ...row }));
        await makeIdeas(client, rows);
        await makeCopy(client);
        const grant = await activeGrant(client, subject, { resources: ["ideas", "copies"], ...scope });
        await asPeer(client, grant, async () => {
          const { rows: visible } = await client.query<{ id: number }>("select id from app.ideas");
          const readable = new Set(visible.map(({ id }) => id));
          for (const query of asked) {
            const [indexed, read] = await Promise.all(
              ["ideas", "copies"].map(async (resource) =>
                (await searchAll(client, query, { resources: [resource], first: 7 })).map(({ id, rank }) => ({
                  id,
                  rank,
                })),
              ),
            );
            expect(indexed).toEqual(read);
            const ids = (indexed ?? []).map(({ id }) => Number(id));
            expect(ids.filter((id) => !readable.has(id))).toEqual([]);
            if (WORDS.includes(query)) {
              const holds = rows.filter(
                ({ id, title, body }) => readable.has(id) && `${title} ${body ?? ""}`.split(" ").includes(query),
              );
              if (holds.length > 0) {
                expect([...ids].sort((a, b) => a - b)).toEqual(holds.map(({ id }) => id));
              }
            }
            counted.searches += 1;
            counted.hits += ids.length;
            counted.empty += ids.length === 0 ? 1 : 0;
          }
        });
      }),
    ),
    { seed: SEED, numRuns: 25 },
  );
  console.log(`fast-check seed ${SEED}, ${database.kind}: ${JSON.stringify(counted)}`);
  expect(counted.searches).toBe(25 * QUERIES_PER_WORLD);
  expect(Math.min(counted.hits, counted.empty)).toBeGreaterThan(20);
}, 600_000);
