import fc from "fast-check";
import type { PoolClient } from "pg";
import { seedPeople, seedRows, seedTeams } from "./actors.ts";
import { MODEL_RESOURCES } from "./model.ts";
import type { ModelScope, World } from "./model.ts";

/** The users of every world. */
export const USERS = Array.from({ length: 20 }, (_, n) => `user ${n}`);
const TEAMS = Array.from({ length: 6 }, (_, n) => `team ${n}`);

/** Applications: who is in which team, and 150 rows. */
export const worlds: fc.Arbitrary<World> = fc
  .record({
    memberships: fc.array(fc.subarray(TEAMS, { maxLength: 4 }), { minLength: USERS.length, maxLength: USERS.length }),
    rows: fc.array(
      fc.record({
        resource: fc.constantFrom(...MODEL_RESOURCES),
        owner: fc.constantFrom(...USERS),
        team: fc.option(fc.constantFrom(...TEAMS), { freq: 4 }),
      }),
      { minLength: 150, maxLength: 150 },
    ),
  })
  .map(({ memberships, rows }) => ({
    memberships: Object.fromEntries(USERS.map((user, n) => [user, memberships[n] ?? []])),
    rows: rows.map((row, n) => ({ ...row, id: `00000000-0000-4000-8000-${String(n).padStart(12, "0")}` })),
  }));

/** Scopes over them. */
export const scopes: fc.Arbitrary<ModelScope> = fc.record(
  {
    resources: fc.subarray([...MODEL_RESOURCES, "credentials"], { minLength: 1 }),
    excluded_resources: fc.subarray([...MODEL_RESOURCES, "credentials"], { maxLength: 2 }),
    include_teams: fc.oneof(fc.constant("*" as const), fc.subarray([...TEAMS, "no team of anyone"])),
    include_personal: fc.boolean(),
    max_rows_per_query: fc.constantFrom(3, 10, 100, 10_000),
  },
  { requiredKeys: ["resources"] },
);

/** Fills a database with a world. */
export async function load(client: PoolClient, world: World): Promise<void> {
  await seedTeams(client, TEAMS);
  await seedPeople(client, world.memberships);
  for (const resource of MODEL_RESOURCES) {
    await seedRows(
      client,
      resource,
      world.rows.filter((row) => row.resource === resource),
    );
  }
}
