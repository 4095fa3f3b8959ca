import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { RESOURCES, activate, asPeer, createGrant, seedPeople, seedRows } from "./actors.ts";
import type { Grant, Resource, Scope } from "./actors.ts";
import { get, list, refusal, visibleIds } from "./verbs.ts";

// olga owns the row and mia is in her teams; otto owns it and is in no team any more; sam has nothing to do with it.
const SUBJECTS = {
  owner: { subject: "olga", owner: "olga" },
  "owner outside the team": { subject: "otto", owner: "otto" },
  member: { subject: "mia", owner: "olga" },
  stranger: { subject: "sam", owner: "olga" },
} as const;
const PLACES = { personal: null, "team in scope": "in", "team out of scope": "out" } as const;
type Who = keyof typeof SUBJECTS;
type Place = keyof typeof PLACES;

/** The rule of the design, by hand: whom native rights ∩ scope serve, where resource and grant allow it at all. */
const SERVED: Record<Who, Record<Place, boolean | "if personal rows are included">> = {
  owner: { personal: "if personal rows are included", "team in scope": true, "team out of scope": false },
  "owner outside the team": {
    personal: "if personal rows are included",
    "team in scope": false,
    "team out of scope": false,
  },
  member: { personal: false, "team in scope": true, "team out of scope": false },
  stranger: { personal: false, "team in scope": false, "team out of scope": false },
};

const REACH = {
  "in scope": (resource: Resource): Scope => ({ resources: [resource] }),
  "not in scope": (resource: Resource): Scope => ({
    resources: Object.keys(RESOURCES).filter((name) => name !== resource),
  }),
  excluded: (resource: Resource): Scope => ({ resources: Object.keys(RESOURCES), excluded_resources: [resource] }),
} as const;
type Reach = keyof typeof REACH;

const UNKNOWN_SERIAL = "00".repeat(20);

/** How a grant gets into each state, and what its peer is then told. */
const STATES = {
  pending: {
    code: "GRANT_PENDING",
    reach: async (client: PoolClient, subject: string, scope: Scope): Promise<Grant> => ({
      ...(await createGrant(client, subject, scope)),
      serial: UNKNOWN_SERIAL,
    }),
  },
  active: { code: undefined, reach: enrolled() },
  suspended: { code: "GRANT_SUSPENDED", reach: enrolled("select federation.suspend_grant($1)") },
  revoked: { code: "GRANT_REVOKED", reach: enrolled("select federation.revoke_grant($1)") },
  expired: {
    code: "GRANT_EXPIRED",
    reach: enrolled("update federation.federation_grants set expires_at = now() - interval '1 second' where id = $1"),
  },
} as const;
type State = keyof typeof STATES;

function enrolled(then?: string): (client: PoolClient, subject: string, scope: Scope) => Promise<Grant> {
  return async (client, subject, scope) => {
    const grant = await activate(client, await createGrant(client, subject, scope));
    if (then !== undefined) {
      await client.query(then, [grant.id]);
    }
    return grant;
  };
}

interface Case {
  who: Who;
  place: Place;
  personal: boolean;
  reach: Reach;
  state: State;
}

const CASES: Case[] = keys(STATES).flatMap((state) =>
  keys(REACH).flatMap((reach) =>
    [true, false].flatMap((personal) =>
      keys(SUBJECTS).flatMap((who) => keys(PLACES).map((place) => ({ who, place, personal, reach, state }))),
    ),
  ),
);

function keys<K extends string>(object: Record<K, unknown>): K[] {
  return Object.keys(object) as K[];
}

function expected({ who, place, personal, reach, state }: Case): { code: string } | { served: boolean } {
  const { code } = STATES[state];
  if (code !== undefined) {
    return { code };
  }
  if (reach !== "in scope") {
    return { code: "RESOURCE_DENIED" };
  }
  const served = SERVED[who][place];
  return { served: served === true || (served !== false && personal) };
}

function sentence(of: Case): string {
  const outcome = expected(of);
  const end = "code" in outcome ? `is refused as ${outcome.code}` : outcome.served ? "is served" : "is served nothing";
  return `${of.state} grant, resource ${of.reach}, ${of.personal ? "with" : "without"} personal rows: the ${of.who} of a row (${of.place}) ${end}`;
}

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await seedPeople(client, { olga: ["in", "out"], mia: ["in", "out"], otto: [], sam: ["other"], zoe: ["other"] });
  client.release();
});
afterAll(() => database.close());

describe("who is served what", () => {
  // Titles that are filled in by the runner are cut short.
  for (const of of CASES) {
    test(sentence(of), () =>
      database.transaction(async (client) => {
        for (const resource of keys(RESOURCES)) {
          await check(client, resource, of);
        }
      }),
    );
  }

  test("the matrix is whole", () => {
    expect(CASES).toHaveLength(4 * 3 * 2 * 3 * 5);
    expect(new Set(CASES.map(sentence)).size).toBe(CASES.length);
  });
});

async function check(client: PoolClient, resource: Resource, of: Case): Promise<void> {
  const { subject, owner } = SUBJECTS[of.who];
  const [id = "", decoy = ""] = await seedRows(client, resource, [
    { owner, team: PLACES[of.place] },
    { owner: "zoe", team: null },
  ]);
  const scope = { ...REACH[of.reach](resource), include_teams: ["in"], include_personal: of.personal };
  const grant = await STATES[of.state].reach(client, subject, scope);
  const outcome = expected(of);

  // Whatever follows is a decision and no accident: the rows are there.
  expect(await visibleIds(client, resource)).toEqual([id, decoy].sort());
  if ("served" in outcome) {
    await asPeer(client, grant, async () => {
      const ids = outcome.served ? [id] : [];
      expect((await list(client, resource)).rows.map((row) => row["id"])).toEqual(ids);
      expect(await visibleIds(client, resource)).toEqual(ids);
      if (outcome.served) {
        expect(await get(client, resource, id)).toMatchObject({ id });
      }
    });
    for (const hidden of outcome.served ? [decoy] : [id, decoy]) {
      expect(await refusal(asPeer(client, grant, () => get(client, resource, hidden)))).toBe("NOT_FOUND");
    }
    return;
  }
  expect(await refusal(asPeer(client, grant, () => list(client, resource)))).toBe(outcome.code);
  expect(await refusal(asPeer(client, grant, () => get(client, resource, id)))).toBe(outcome.code);
  if (of.state === "active") {
    expect(await asPeer(client, grant, () => visibleIds(client, resource))).toEqual([]);
  }
}
