import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Explanation } from "../../src/explain/explanation.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { appendAt } from "../harness/audit.ts";
import { createGrant } from "./actors.ts";
import { explain } from "./explain.ts";
import { admin, set } from "./grants.ts";
import { asked, openPagesWorld, SCOPE } from "./pages.ts";
import type { PagesWorld, Session } from "./pages.ts";
import { only } from "./verbs.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
// A day of the database has 23 to 25 hours, where clocks are set.
const WITHIN_A_DAY_MS = 22 * HOUR_MS;
const OVER_A_DAY_MS = 26 * HOUR_MS;

interface Count {
  status: string;
  count: number;
}
interface Overview {
  host: string;
  tier: string;
  services: { name: string; state: string }[];
  grants: Count[];
  peers: Count[];
  alerts: { code: string; severity: string; subject: string }[];
  traffic: {
    perMinute: { at: string; served: number; refused: number }[];
    refusalsByCode: { code: string; count: number }[];
    requestsOfLastDay: number;
    refusedOfLastDay: number;
    droppedOfLastDay: number;
  };
}

let database: TestDatabase;
let world: PagesWorld;

beforeAll(async () => {
  database = await openTestDatabase();
  world = await openPagesWorld(database);
});
afterAll(() => database.close());

const overview = (client: PoolClient, session: Session): Promise<Overview> => asked(client, session, "overview()");

/** When the transaction began, by the database: its now(). */
async function began(client: PoolClient): Promise<Date> {
  const { rows } = await client.query<{ at: Date }>("select now() as at");
  return only(rows).at;
}

/** So many audit rows of one moment. */
const times = (count: number, at: number, entry: Record<string, unknown> = {}): Record<string, unknown>[] =>
  Array.from({ length: count }, () => ({ at: new Date(at).toISOString(), ...entry }));

const refused = (code: string): Record<string, unknown> => ({ outcome: "denied", code });

describe("the overview counts", () => {
  test("grants by what they are now and peers by their state: to an administrator all, to a user their own", async () => {
    await database.transaction(async (client) => {
      const made = [];
      for (let n = 0; n < 5; n += 1) {
        made.push((await createGrant(client, "olga", SCOPE)).id);
      }
      const [revoked = "", expired = ""] = made;
      await admin(client, "revoke_grant", revoked);
      await set(client, expired, "expires_at = now()");
      await admin(client, "suspend_grant", world.mias.id);
      await client.query("update federation.federation_peers set state = 'degraded' where owner_user_id = 'mia'");
      const olgas = [
        { status: "active", count: 1 },
        { status: "expired", count: 1 },
        { status: "pending", count: 3 },
        { status: "revoked", count: 1 },
      ];
      expect(await overview(client, world.ada)).toMatchObject({
        grants: [...olgas, { status: "suspended", count: 1 }],
        peers: [
          { status: "active", count: 1 },
          { status: "degraded", count: 1 },
        ],
      });
      expect(await overview(client, world.olga)).toMatchObject({
        grants: olgas,
        peers: [{ status: "active", count: 1 }],
      });
      await client.query("update federation.federation_peers set state = 'degraded'");
      expect((await overview(client, world.ada)).peers).toEqual([{ status: "degraded", count: 2 }]);
    });
  });

  test("alerts that are open, and none of them to a user", async () => {
    await database.transaction(async (client) => {
      for (const subject of ["one", "two", "three"]) {
        await client.query("select federation.raise_alert('critical', 'CRL_FAILED', $1, 'as a test')", [subject]);
      }
      await client.query("select federation.resolve_alert('CRL_FAILED', 'two')");
      const { alerts } = await overview(client, world.ada);
      expect(alerts.map(({ subject }) => subject).sort()).toEqual(["one", "three"]);
      expect(alerts[0]).toMatchObject({ code: "CRL_FAILED", severity: "critical" });
      expect((await overview(client, world.olga)).alerts).toEqual([]);
      expect(await asked<unknown[]>(client, world.ada, "alerts(include_resolved => true)")).toHaveLength(3);
    });
  });

  test("what peers asked for: the last hour minute by minute, the last day's refusals by code, what was dropped; nothing that people did", async () => {
    await database.transaction(async (client) => {
      const now = (await began(client)).getTime();
      const minute = Math.floor(now / MINUTE_MS) * MINUTE_MS;
      await appendAt(
        client,
        [
          ...times(3, minute - MINUTE_MS),
          ...times(2, minute - MINUTE_MS + 59_999, refused("RATE_LIMITED")),
          ...times(1, minute - 59 * MINUTE_MS),
          ...times(1, minute - 59 * MINUTE_MS, { outcome: "failed", code: "UNAVAILABLE" }),
          // Before the first of sixty minutes, by a millisecond.
          ...times(1, minute - 59 * MINUTE_MS - 1, refused("RATE_LIMITED")),
          ...times(4, now - WITHIN_A_DAY_MS, refused("RESOURCE_DENIED")),
          ...times(2, now - WITHIN_A_DAY_MS),
          ...times(5, now - OVER_A_DAY_MS, refused("GRANT_REVOKED")),
          ...times(1, now - HOUR_MS, { verb: "gap", outcome: "failed", code: "DROPPED", row_count: 7 }),
          ...times(1, now - HOUR_MS, { verb: "gap", outcome: "failed", code: "DROPPED", row_count: 4 }),
          ...times(1, now - OVER_A_DAY_MS, { verb: "gap", outcome: "failed", code: "DROPPED", row_count: 100 }),
          ...times(1, now - 1_000, { verb: "pages.update_scope", ...refused("CONFLICT") }),
          ...times(1, now - 1_000, { verb: "grant.viewed", actor: "ada" }),
        ],
        "requests-3",
      );
      const { traffic } = await overview(client, world.ada);
      expect(traffic).toMatchObject({
        refusalsByCode: [
          { code: "RESOURCE_DENIED", count: 4 },
          { code: "RATE_LIMITED", count: 3 },
          { code: "UNAVAILABLE", count: 1 },
        ],
        requestsOfLastDay: 14,
        refusedOfLastDay: 8,
        droppedOfLastDay: 11,
      });
      const at = (before: number): string => new Date(minute - before * MINUTE_MS).toISOString();
      expect(traffic.perMinute.map((bar) => bar.at)).toEqual(Array.from({ length: 60 }, (_, n) => at(59 - n)));
      expect(traffic.perMinute.filter((bar) => bar.served + bar.refused > 0)).toEqual([
        { at: at(59), served: 1, refused: 1 },
        { at: at(1), served: 3, refused: 2 },
      ]);
      expect((await overview(client, world.olga)).traffic).toEqual({
        ...{ perMinute: [], refusalsByCode: [] },
        ...{ requestsOfLastDay: 0, refusedOfLastDay: 0, droppedOfLastDay: 0 },
      });
    });
  });
});

describe("the overview says", () => {
  const state = async (client: PoolClient, name: string): Promise<string | undefined> =>
    (await overview(client, world.ada)).services.find((service) => service.name === name)?.state;

  test("host and tier, and of Valkey that it is away while an alert does, in the tier that has it", async () => {
    await database.transaction(async (client) => {
      const tier = (name: string): Promise<unknown> =>
        client.query(
          `insert into federation.federation_settings as s (name, value) values ('host', 'work.example'), ('tier', $1)
           on conflict (name) do update set value = excluded.value`,
          [name],
        );
      await tier("local");
      expect(await overview(client, world.olga)).toMatchObject({ host: "work.example", tier: "local" });
      expect(await state(client, "valkey")).toBeUndefined();
      await tier("federated");
      expect(await state(client, "valkey")).toBe("ok");
      await client.query("select federation.raise_alert('warning', 'VALKEY_AWAY', 'work.example', 'as a test')");
      expect(await state(client, "valkey")).toBe("degraded");
      await client.query("select federation.resolve_alert('VALKEY_AWAY', 'work.example')");
      expect(await state(client, "valkey")).toBe("ok");
    });
  });

  test("of notices that they are down without a gateway that serves, degraded where one of several does not hear them", async () => {
    await database.transaction(async (client) => {
      const report = (id: number, listening: boolean): Promise<unknown> =>
        client.query("select federation.report_gateway($1, $2, now(), $3)", [
          `00000000-0000-4000-8000-00000000000${id}`,
          `gateway ${id}`,
          JSON.stringify({ listening, peers: [] }),
        ]);
      expect(await state(client, "notices")).toBe("down");
      await report(1, true);
      expect(await state(client, "notices")).toBe("ok");
      await report(2, false);
      expect(await state(client, "notices")).toBe("degraded");
      await report(2, true);
      expect(await state(client, "notices")).toBe("ok");
      await client.query("update federation.federation_gateways set seen_at = now() - interval '30 seconds'");
      expect(await state(client, "notices")).toBe("down");
    });
  });

  test("of the audit log that it is degraded while a row of the last day is missing", async () => {
    await database.transaction(async (client) => {
      const now = (await began(client)).getTime();
      const dropped = { verb: "gap", outcome: "failed", code: "DROPPED", row_count: 1 };
      await appendAt(client, times(1, now - OVER_A_DAY_MS, dropped), "requests-3");
      expect(await state(client, "audit")).toBe("ok");
      await appendAt(client, times(1, now - WITHIN_A_DAY_MS, dropped), "requests-3");
      expect(await state(client, "audit")).toBe("degraded");
    });
  });
});

describe("what is shown", () => {
  test("of a grant has its requests of the last day, how many were refused, and when the last came, whenever that was", async () => {
    await database.transaction(async (client) => {
      const now = (await began(client)).getTime();
      const { ada, olga, olgas, mias } = world;
      const none = { requestsOfLastDay: 0, refusedOfLastDay: 0, lastRequestAt: null };
      expect(await asked(client, ada, '"grant"($1)', [olgas.id])).toMatchObject(none);
      await appendAt(
        client,
        [
          ...times(3, now - 2 * HOUR_MS, { grant_id: olgas.id }),
          ...times(2, now - HOUR_MS, { grant_id: olgas.id, ...refused("RATE_LIMITED") }),
          ...times(6, now - OVER_A_DAY_MS, { grant_id: olgas.id }),
          ...times(1, now - 48 * HOUR_MS, { grant_id: mias.id }),
          // What people do to a grant is no request of its peer.
          ...times(1, now - 1_000, { grant_id: olgas.id, verb: "grant.viewed", actor: "ada" }),
          ...times(1, now - 1_000, { grant_id: olgas.id, verb: "pages.update_scope", ...refused("CONFLICT") }),
        ],
        "requests-3",
      );
      const busy = {
        ...{ id: olgas.id, requestsOfLastDay: 5, refusedOfLastDay: 2 },
        lastRequestAt: new Date(now - HOUR_MS).toISOString(),
      };
      const quiet = { id: mias.id, ...none, lastRequestAt: new Date(now - 48 * HOUR_MS).toISOString() };
      for (const session of [ada, olga]) {
        expect(await asked(client, session, '"grant"($1)', [olgas.id])).toMatchObject(busy);
      }
      const listed = await asked<{ id: string }[]>(client, ada, "grants()");
      expect(listed).toHaveLength(2);
      expect(listed).toEqual(
        expect.arrayContaining([expect.objectContaining(busy), expect.objectContaining(quiet)] as unknown[]),
      );
    });
  });

  test("of a peer has its circuit, last success and last failure, as the gateways that serve say it, and nothing that one said which is gone", async () => {
    await database.transaction(async (client) => {
      const { ada, mia } = world;
      const { rows } = await client.query<{ id: string; user: string }>(
        'select id, owner_user_id as "user" from federation.federation_peers',
      );
      const id = only(rows.filter(({ user }) => user === "mia")).id;
      const health = {
        circuit: "open",
        lastSuccessAt: "2026-01-01T08:00:00.000Z",
        lastFailureAt: "2026-01-01T09:00:00.000Z",
        lastFailureCode: "PEER_TIMEOUT",
        offlineSince: "2026-01-01T08:30:00.000Z",
      };
      await client.query("select federation.report_gateway(gen_random_uuid(), 'one', now(), $1)", [
        JSON.stringify({ listening: true, peers: [{ id, failures: 3, ...health }] }),
      ]);
      expect(await asked(client, mia, "peers()")).toEqual([expect.objectContaining({ id, ...health })]);
      expect(await asked(client, ada, "peer($1)", [id])).toMatchObject(health);
      const unasked = Object.fromEntries(Object.keys(health).map((key) => [key, null]));
      const others = await asked<{ user: string }[]>(client, ada, "peers()");
      expect(only(others.filter(({ user }) => user === "olga"))).toMatchObject(unasked);
      await client.query("update federation.federation_gateways set seen_at = now() - interval '30 seconds'");
      expect(await asked(client, mia, "peers()")).toEqual([expect.objectContaining({ id, ...unasked })]);
    });
  });

  test("of a row that the subject does not see is neither whether it is there nor a policy, though the rights of a login would show both", async () => {
    await database.transaction(async (client) => {
      const { ada, olgas } = world;
      const { rows } = await client.query<{ id: string }>("select id from app.tasks where owner_id = 'mia'");
      const { id } = only(rows);
      await client.query("alter table app.tasks owner to postgres");
      const [byLogin] = (await explain(client, olgas.id, "tasks", { id }, "postgres")).rows;
      expect(byLogin).toMatchObject({ decidedBy: "native", exists: true });
      expect(byLogin?.policies.length).toBeGreaterThan(0);
      const inPages = await asked<Explanation>(client, ada, "explain($1, 'tasks', $2)", [olgas.id, id]);
      expect(only(inPages.rows)).toMatchObject({ id, decidedBy: "native", exists: null, policies: [] });
    });
  });
});
