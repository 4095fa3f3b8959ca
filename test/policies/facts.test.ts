import { randomUUID } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, asUser, enterAsPeer, seedPeople, seedRows } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { codeOf, list, only, refusal, visibleIds } from "./verbs.ts";

// What a statement has read of its session it reads no second time. These tests look for a statement that goes by what another one read.

let database: TestDatabase;
let olgas: Grant;
let mias: Grant;
let rows: Record<"personal" | "team" | "mia", string>;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());
beforeEach(async () => {
  // Committed: in a transaction that has written nothing is remembered.
  await database.committed(async (client) => {
    await client.query("truncate app.users cascade");
    await seedPeople(client, { olga: ["t1", "t2"], mia: [] });
    const [personal = "", team = "", mia = ""] = await seedRows(client, "tasks", [
      { owner: "olga", team: null },
      { owner: "mia", team: "t1" },
      { owner: "mia", team: null },
    ]);
    rows = { personal, team, mia };
    const scope = { resources: ["tasks"], include_personal: true, include_teams: ["t1"] };
    olgas = await activeGrant(client, "olga", scope);
    mias = await activeGrant(client, "mia", scope);
  });
});

/** A transaction that has written nothing, as the peer of a grant. */
function asPeerOf(grant: Grant, work: (client: PoolClient) => Promise<void>): Promise<void> {
  return database.transaction((client) => asPeer(client, grant, () => work(client)));
}

async function remembered(client: PoolClient): Promise<Record<string, string>> {
  const { rows: found } = await client.query<{ name: string; value: string }>(
    `select n.name, current_setting(n.name, true) as value
     from unnest(array['federation.facts', 'federation.teams', 'federation.scope_teams']) as n (name)`,
  );
  return Object.fromEntries(found.map(({ name, value }) => [name, value]));
}

/** The facts in what is remembered: behind a head, before a code. */
function factsIn(remembers = ""): Record<string, unknown> {
  return JSON.parse(remembers.slice(remembers.indexOf('{"scope'), -64)) as Record<string, unknown>;
}

async function set(client: PoolClient, settings: Record<string, string>): Promise<void> {
  for (const [name, value] of Object.entries(settings)) {
    await client.query("select set_config($1, $2, true)", [name, value]);
  }
}

test("a statement remembers what it has read of the grant", async () => {
  await asPeerOf(olgas, async (client) => {
    expect(await visibleIds(client, "tasks")).toEqual([rows.personal, rows.team].sort());
    const found = await remembered(client);
    expect(factsIn(found["federation.facts"])).toMatchObject({ subject: "olga" });
    expect(found["federation.scope_teams"]).toMatch(/\{t1\}[0-9a-f]{64}$/);
  });
});

describe.skipIf(inject("template").kind === "pglite")(
  "what is committed between two statements of a transaction",
  () => {
    // The embedded database has one backend: nothing is committed there meanwhile.
    test.each<[string, (client: PoolClient) => Promise<unknown>, () => string[] | string]>([
      [
        "a revocation",
        (client) => client.query("select federation.revoke_grant($1, 'no longer needed')", [olgas.id]),
        () => "GRANT_REVOKED",
      ],
      [
        "a scope that is narrower",
        (client) =>
          client.query("select federation.update_grant($1, $2)", [
            olgas.id,
            JSON.stringify({ resources: ["tasks"], include_teams: ["t1"] }),
          ]),
        () => [rows.team],
      ],
      [
        "the end of a membership",
        (client) => client.query("delete from app.memberships where user_id = 'olga' and team_id = 't1'"),
        () => [rows.personal],
      ],
      [
        "a revoked certificate",
        (client) => client.query("select federation.revoke_certificate($1, 'keyCompromise')", [olgas.serial]),
        () => "CERTIFICATE_REVOKED",
      ],
    ])("%s holds for the second", async (_, change, answer) => {
      await asPeerOf(olgas, async (client) => {
        expect(await visibleIds(client, "tasks")).toEqual([rows.personal, rows.team].sort());
        await database.committed(change);
        const said = answer();
        expect(await visibleIds(client, "tasks")).toEqual(typeof said === "string" ? [] : said);
        expect(await list(client, "tasks").then((page) => page.rows.map(({ id }) => id), codeOf)).toEqual(said);
      });
    });
  },
);

test("what the transaction itself has written holds for its next statement, and for the same one", async () => {
  await database.transaction(async (client) => {
    const seen = async (): Promise<string[]> => {
      await enterAsPeer(client, olgas);
      await client.query("set local role federation_peer");
      const found = await visibleIds(client, "tasks");
      await client.query("reset role");
      return found;
    };
    expect(await seen()).toEqual([rows.personal, rows.team].sort());
    await client.query("delete from app.memberships where user_id = 'olga' and team_id = 't1'");
    expect(await seen()).toEqual([rows.personal]);
    await client.query("savepoint before");
    await client.query("select federation.revoke_grant($1, 'no longer needed')", [mias.id]);
    await client.query("rollback to before");
    expect(await seen()).toEqual([rows.personal]);
  });
});

test("facts that were written by hand, or changed, or come from another grant's transaction, are none", async () => {
  let others: Record<string, string> = {};
  await asPeerOf(mias, async (client) => {
    expect(await visibleIds(client, "tasks")).toEqual([rows.mia]);
    others = await remembered(client);
  });
  await asPeerOf(olgas, async (client) => {
    const mine = [rows.personal, rows.team].sort();
    await set(client, others);
    expect(await visibleIds(client, "tasks")).toEqual(mine);
    const own = await remembered(client);
    const remembers = own["federation.facts"] ?? "";
    const facts = JSON.stringify(factsIn(remembers));
    expect(remembers.replaceAll(": ", ":").replaceAll(", ", ",")).toContain(facts);
    const [before, code] = [remembers.slice(0, remembers.indexOf('{"scope')), remembers.slice(-64)];
    expect(before).toMatch(/^federation\.facts \d+ /);
    const wider = JSON.stringify({ subject: "mia", scope: { resources: ["tasks"], include_personal: true } });
    // As it would have to be to count: the code is over it all.
    for (const forged of ["", "0".repeat(64), code]) {
      await set(client, { "federation.facts": `${before}${wider}${forged}` });
      expect(await visibleIds(client, "tasks")).toEqual(mine);
    }
    // What was remembered of something else is nothing of this.
    await set(client, { "federation.facts": own["federation.scope_teams"] ?? "", "federation.scope_teams": remembers });
    expect(await visibleIds(client, "tasks")).toEqual(mine);
  });
});

test("facts hold no longer than the grant, also where nothing is committed meanwhile", async () => {
  await database.committed((client) =>
    client.query(
      "update federation.federation_grants set expires_at = clock_timestamp() + interval '1.5 seconds' where id = $1",
      [olgas.id],
    ),
  );
  await asPeerOf(olgas, async (client) => {
    expect(await visibleIds(client, "tasks")).toEqual([rows.personal, rows.team].sort());
    await client.query("select pg_sleep(2)");
    expect(await visibleIds(client, "tasks")).toEqual([]);
    expect(await refusal(list(client, "tasks"))).toBe("GRANT_EXPIRED");
  });
});

test("a session and its facts, kept by code that runs as a peer, are nothing to the next transaction, even where nothing was committed since", async () => {
  const settings = ["federation.session", "federation.facts", "federation.scope_teams"];
  const kept: Record<string, string> = {};
  const client = await database.pool.connect();
  try {
    await client.query("begin read only");
    await enterAsPeer(client, mias);
    await client.query("set local role federation_peer");
    expect(await visibleIds(client, "tasks")).toEqual([rows.mia]);
    for (const name of settings) {
      const { rows: found } = await client.query<{ value: string }>("select current_setting($1, true) as value", [
        name,
      ]);
      kept[name] = only(found).value;
    }
    await client.query("commit");
    for (const grant of [olgas, undefined]) {
      await client.query("begin read only");
      if (grant !== undefined) {
        await enterAsPeer(client, grant);
      }
      await client.query("set local role federation_peer");
      await set(client, kept);
      expect(await visibleIds(client, "tasks")).toEqual([]);
      expect(await refusal(list(client, "tasks"))).toBe("GRANT_UNKNOWN");
      await client.query("rollback");
    }
  } finally {
    client.release(true);
  }
});

test("another session in the same transaction is read anew", async () => {
  await asPeerOf(olgas, async (client) => {
    expect(await visibleIds(client, "tasks")).toEqual([rows.personal, rows.team].sort());
    await client.query("reset role");
    await enterAsPeer(client, mias);
    await client.query("set local role federation_peer");
    expect(await visibleIds(client, "tasks")).toEqual([rows.mia]);
    expect(only((await list(client, "tasks")).rows)["id"]).toBe(rows.mia);
  });
});

test("a resource that a peer names, whatever it is called, leaves no setting behind", async () => {
  await asPeerOf(olgas, async (client) => {
    for (const name of [randomUUID(), "a b; c", "'", "x".repeat(4_000)]) {
      await client.query("savepoint asked");
      expect(await refusal(list(client, name))).toBe("RESOURCE_DENIED");
      await client.query("rollback to asked");
    }
    const { rows: found } = await client.query<{ ready: string | null }>(
      "select current_setting('federation.ready_' || md5($1), true) as ready",
      ["a b; c"],
    );
    expect(only(found).ready ?? "").toBe("");
  });
});

test.each(["federation.list_rows('tasks', null, null, null, null, 10)", "federation.get_row('tasks', $1)"])(
  "a local user's page and row need nothing that only peers may have: %s",
  async (answered) => {
    await database.transaction((client) =>
      asUser(client, "olga", async () => {
        const { rows: found } = await client.query<{ answer: unknown }>(
          `select ${answered} as answer where $1::text is not null`,
          [rows.team],
        );
        expect(JSON.stringify(only(found).answer)).toContain(rows.team);
      }),
    );
  },
);
