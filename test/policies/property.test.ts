import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { escapeLiteral } from "pg";
import type { PoolClient, QueryResult } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { MODEL_RESOURCES, served } from "./model.ts";
import type { ModelResource, ModelScope } from "./model.ts";
import { only } from "./verbs.ts";
import { USERS, load, scopes, worlds } from "./worlds.ts";

const SEED = Number(process.env["MOSAIC_TEST_SEED"] ?? 20_261_123);
const WORLDS = 20;
const SESSIONS_PER_WORLD = 170;
interface Session {
  subject: string;
  scope: ModelScope;
}
const sessions: fc.Arbitrary<Session[]> = fc.array(fc.record({ subject: fc.constantFrom(...USERS), scope: scopes }), {
  minLength: SESSIONS_PER_WORLD,
  maxLength: SESSIONS_PER_WORLD,
});

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  // All pages in one round trip, run as whoever calls it: a refusal comes back as its SQLSTATE.
  await database.pool.query(`
    create schema probe;
    grant usage on schema probe to federation_peer;
    create function probe.list_all(resource text) returns jsonb language plpgsql stable as $$
    declare
      page jsonb;
      ids jsonb := '[]';
    begin
      loop
        page := federation_api.list(resource, after => page ->> 'nextCursor');
        ids := ids || coalesce((select jsonb_agg(r -> 'id') from jsonb_array_elements(page -> 'rows') as r), '[]');
        exit when page ->> 'nextCursor' is null;
      end loop;
      return ids;
    exception
      when sqlstate 'MF010' then return '"denied"';
    end;
    $$;
    create function probe.select_all(resource text) returns jsonb language plpgsql stable as $$
    declare
      ids jsonb;
    begin
      execute format('select coalesce(jsonb_agg(id), ''[]'') from app.%I', resource) into ids;
      return ids;
    end;
    $$`);
});
afterAll(() => database.close());

test("the rows served are the rows that a naive model computes, for at least 10 000 random cases", async () => {
  console.log(`fast-check seed ${SEED}, ${database.kind}`);
  const counted = { cases: 0, denied: 0, empty: 0, rows: 0 };
  await fc.assert(
    fc.asyncProperty(worlds, sessions, (world, asked) =>
      database.transaction(async (client) => {
        await load(client, world);
        for (const { session, answers } of await serve(client, asked)) {
          for (const resource of MODEL_RESOURCES) {
            const should = served(world, session.subject, session.scope, resource);
            const { listed, selected } = answers[resource];
            const right = { listed: sorted(should), selected: should === "denied" ? [] : sorted(should) };
            if (!isDeepStrictEqual({ listed: sorted(listed), selected: sorted(selected) }, right)) {
              expect({ resource, ...session, listed: sorted(listed), selected: sorted(selected) }).toEqual({
                resource,
                ...session,
                ...right,
              });
            }
            counted.cases += 1;
            counted.denied += should === "denied" ? 1 : 0;
            counted.empty += should.length === 0 ? 1 : 0;
            counted.rows += should === "denied" ? 0 : should.length;
          }
        }
      }),
    ),
    { seed: SEED, numRuns: WORLDS },
  );
  expect(counted.cases).toBeGreaterThanOrEqual(10_000);
  // Neither answer is rare, so that neither could be given always.
  expect(Math.min(counted.denied, counted.empty, counted.rows)).toBeGreaterThan(1_000);
}, 1_200_000);

function sorted(ids: readonly string[] | "denied"): string[] | "denied" {
  return ids === "denied" ? ids : [...ids].sort();
}

type Answers = Record<ModelResource, { listed: string[] | "denied"; selected: string[] }>;

/** Opens the session of each subject and scope, and reads every resource in it by verb and by plain select. */
async function serve(client: PoolClient, asked: readonly Session[]): Promise<{ session: Session; answers: Answers }[]> {
  const grants = await client.query<{ id: string; token: string }>(
    `select g.grant_id as id, g.enrollment_token as token
     from unnest($1::text[], $2::jsonb[]) with ordinality as a (subject, scope, n)
     cross join lateral federation.create_grant(a.subject, 'home.example.org', a.scope) g
     order by a.n`,
    [asked.map(({ subject }) => subject), asked.map(({ scope }) => JSON.stringify(scope))],
  );
  await client.query(
    `select federation.record_certificate(md5(g.id), g.id::uuid, md5(g.id) || md5(g.id), now(), now() + interval '1 day')
     from unnest($1::text[], $2::text[]) as g (id, token)
     cross join lateral federation.redeem_enrollment_token(g.token)`,
    [grants.rows.map(({ id }) => id), grants.rows.map(({ token }) => token)],
  );
  const columns = MODEL_RESOURCES.map(
    (name) =>
      `jsonb_build_object('listed', probe.list_all('${name}'), 'selected', probe.select_all('${name}')) as ${name}`,
  );
  const served = [];
  for (const [n, session] of asked.entries()) {
    const id = grants.rows[n]?.id ?? "";
    // Several statements in one message, so that a session is one round trip.
    const results = (await client.query(`
      savepoint session;
      select federation.enter_as_peer('${id}', ${escapeLiteral(session.subject)}, md5('${id}'), md5('${id}') || md5('${id}'));
      set local role federation_peer;
      select ${columns.join(", ")};
      rollback to session;
      release session`)) as unknown as QueryResult<Answers>[];
    served.push({ session, answers: only(results[3]?.rows ?? []) });
  }
  return served;
}
