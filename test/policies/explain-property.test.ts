import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ExplainedRow, Stage } from "../../src/explain/explanation.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer } from "./actors.ts";
import { explain } from "./explain.ts";
import { MODEL_RESOURCES } from "./model.ts";
import type { ModelResource, ModelRow, ModelScope, World } from "./model.ts";
import { get, list, listAll, only, refusal } from "./verbs.ts";
import { USERS, load, scopes, worlds } from "./worlds.ts";

const SEED = Number(process.env["MOSAIC_TEST_SEED"] ?? 20_261_124);
const WORLDS = 4;

const sessions = fc.array(fc.record({ subject: fc.constantFrom(...USERS), scope: scopes, row: fc.nat({ max: 149 }) }), {
  minLength: 40,
  maxLength: 40,
});

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const admits = ({ resources, excluded_resources: excluded = [] }: ModelScope, resource: ModelResource): boolean =>
  resources.includes(resource) && !excluded.includes(resource);

/** Which stage keeps a row of a resource in scope from a peer, said as naively as possible. */
function decided(world: World, subject: string, scope: ModelScope, row: ModelRow): Stage | null {
  const own = world.memberships[subject] ?? [];
  if (row.owner !== subject && (row.team === null || !own.includes(row.team))) {
    return "native";
  }
  if (row.team === null) {
    return scope.include_personal === true ? null : "personal";
  }
  const included = scope.include_teams === "*" || scope.include_teams?.includes(row.team) === true;
  return included && own.includes(row.team) ? null : "team";
}

test("what explain says of a row is what list and get do, and the stage that a naive model names, for thousands of random cases", async () => {
  console.log(`fast-check seed ${SEED}, ${database.kind}`);
  const counted: Record<string, number> = {};
  const count = (verdict: string | null): void => {
    counted[verdict ?? "served"] = (counted[verdict ?? "served"] ?? 0) + 1;
  };
  await fc.assert(
    fc.asyncProperty(worlds, sessions, (world, asked) =>
      database.transaction(async (client) => {
        await load(client, world);
        for (const { subject, scope, row: index } of asked) {
          const grant = await activeGrant(client, subject, { ...scope });
          const real = await asPeer(client, grant, async () => {
            const answers = new Map<string, { all: string[]; first: string[] }>();
            for (const resource of MODEL_RESOURCES.filter((name) => admits(scope, name))) {
              const ids = (rows: Record<string, unknown>[]): string[] => rows.map(({ id }) => String(id)).sort();
              answers.set(resource, {
                all: ids(await listAll(client, resource)),
                first: ids((await list(client, resource, { first: 10_000 })).rows),
              });
            }
            return answers;
          });

          for (const resource of MODEL_RESOURCES) {
            const explained = await explain(client, grant.id, resource, { filter: {}, most: 100 });
            const answers = real.get(resource);
            expect(explained.refused).toBe(answers === undefined ? "MF010" : null);
            expect(explained.decidedBy).toBe(answers === undefined ? "resource" : null);
            if (answers !== undefined) {
              const ids = (of: (row: ExplainedRow) => boolean): string[] =>
                explained.rows
                  .filter(of)
                  .map(({ id }) => id)
                  .sort();
              expect(ids(({ served }) => served)).toEqual(answers.all);
              expect(ids(({ cap }) => cap === true)).toEqual(answers.first);
            }
            // As if it were in scope, where it is not.
            for (const row of explained.rows) {
              const model = world.rows.find(({ id }) => id === row.id);
              const should = model === undefined ? "native" : decided(world, subject, scope, model);
              expect(row).toMatchObject({
                native: true,
                served: should === null,
                decidedBy: row.cap === false ? "cap" : should,
              });
              // The policies, asked one by one, come to what they come to together.
              const said = (kind: string): (boolean | null)[] =>
                row.policies.filter((policy) => policy.kind === kind).map((policy) => policy.admits);
              expect(said("permissive").includes(true) && !said("restrictive").includes(false)).toBe(row.served);
              expect(row.policies.every((policy) => policy.admits !== null)).toBe(true);
              count(row.decidedBy);
            }
          }

          const row = world.rows[index] ?? only(world.rows.slice(0, 1));
          const getting = asPeer(client, grant, () => get(client, row.resource, row.id));
          const code = await getting.then(
            () => null,
            () => refusal(getting),
          );
          const { refused, decidedBy, rows } = await explain(client, grant.id, row.resource, { id: row.id });
          expect(refused).toBe(code === null ? null : code === "NOT_FOUND" ? "MF011" : "MF010");
          const should = decided(world, subject, scope, row);
          const cap = only(rows).cap === false ? "cap" : null;
          expect(decidedBy).toBe(admits(scope, row.resource) ? (should ?? cap) : "resource");
          expect(cap !== null && real.get(row.resource)?.first.includes(row.id)).not.toBe(true);
          count(decidedBy);
        }
      }),
    ),
    { seed: SEED, numRuns: WORLDS },
  );
  console.log(counted);
  for (const [verdict, least] of Object.entries({
    served: 500,
    team: 500,
    personal: 100,
    cap: 100,
    native: 10,
    resource: 10,
  })) {
    expect(counted[verdict], verdict).toBeGreaterThan(least);
  }
}, 1_200_000);
