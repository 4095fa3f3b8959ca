import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { asRole, asUser, seedPeople } from "./actors.ts";
import { appendAt } from "../harness/audit.ts";
import { refusal } from "./verbs.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const LOG = "federation.federation_audit_log";
const ARCHIVE = "federation.federation_audit_archive";
const CHAIN = "requests-5";

/** Writes rows to one chain, each so many days ago. */
async function append(client: PoolClient, daysAgo: readonly number[]): Promise<void> {
  const entries = daysAgo.map((days, index) => ({
    at: new Date(Date.now() - days * 86_400_000).toISOString(),
    verb: "list",
    outcome: "served",
    code: "OK",
    row_count: index,
  }));
  await appendAt(client, entries, CHAIN);
}
async function roll(client: PoolClient, hot = "90 days"): Promise<{ action: string; partition: string }[]> {
  const { rows } = await asRole(client, "federation_worker", () =>
    client.query<{ action: string; partition: string }>("select * from federation.roll_audit($1)", [hot]),
  );
  return rows;
}
async function partitions(
  client: PoolClient,
): Promise<{ tier: string; starts_at: Date | null; ends_at: Date | null }[]> {
  const { rows } = await client.query<{ tier: string; starts_at: Date | null; ends_at: Date | null }>(
    "select tier, starts_at, ends_at from federation.audit_partitions()",
  );
  return rows;
}
async function count(client: PoolClient, table: string): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`select count(*)::integer as n from ${table}`);
  return rows[0]?.n ?? -1;
}
async function fault(client: PoolClient): Promise<{ fault: string | null; entries: number } | undefined> {
  const { rows } = await client.query<{ chain: string; fault: string | null; entries: number }>(
    "select chain, fault, entries::integer from federation.verify_audit()",
  );
  return rows.find(({ chain }) => chain === CHAIN);
}
async function listed(client: PoolClient, history: boolean): Promise<number> {
  const { rows } = await asRole(client, "federation_admin", () =>
    client.query("select from federation.list_audit(verb => 'list', limit_rows => 1000, history => $1)", [history]),
  );
  return rows.length;
}

describe("the audit log's roll-over", () => {
  test("keeps ninety days at hand, whoever asks for less", async () => {
    await database.transaction(async (client) => {
      await client.query("create role some_admin in role federation_admin");
      await client.query("set local session authorization some_admin");
      for (const hot of ["89 days", "-1 year", null]) {
        await client.query("savepoint attempt");
        expect(await refusal(client.query("select * from federation.roll_audit($1)", [hot]))).toBe("BAD_REQUEST");
        await client.query("rollback to savepoint attempt");
      }
    });
  });

  test("is in the log itself, by a row of the administrators' chain", async () => {
    await database.transaction(async (client) => {
      await roll(client);
      await append(client, [120]);
      await roll(client);
      const { rows } = await client.query(
        `select verb, row_count, jsonb_array_length(details -> 'partitions') as partitions from ${LOG} where chain = 'admin' order by id desc limit 1`,
      );
      expect(rows).toEqual([{ verb: "audit.archived", row_count: 1, partitions: 1 }]);
    });
  });

  test("goes on where rows of a week come when its partition is in the archive, and says so", async () => {
    await database.transaction(async (client) => {
      await roll(client);
      await append(client, [120]);
      await roll(client);
      await append(client, [120]);
      expect(await roll(client)).toEqual([{ action: "left", partition: "federation_audit_log_default" }]);
      const { rows } = await client.query("select code from federation.list_alerts() where code = 'AUDIT_ROLLOVER'");
      expect(rows).toHaveLength(1);
      expect(await fault(client)).toMatchObject({ fault: null });
    });
  });

  test("makes partitions for this week and four more, and a second run finds nothing to do", async () => {
    await database.transaction(async (client) => {
      // What was in the log before there were partitions is of this week.
      expect((await roll(client)).map(({ action }) => action)).toEqual(["attached", "made", "made", "made", "made"]);
      expect(await roll(client)).toEqual([]);
      const bounded = (await partitions(client)).filter(({ starts_at }) => starts_at !== null);
      expect(bounded.every(({ starts_at }) => starts_at?.getUTCDay() === 1 && starts_at.getUTCHours() === 0)).toBe(
        true,
      );
      await append(client, [0]);
      expect(await count(client, "federation.federation_audit_log_default")).toBe(0);
    });
  });

  test("moves what is older than ninety days whole, and it is found on request, and the chains hold across", async () => {
    await database.transaction(async (client) => {
      await roll(client);
      await append(client, [120, 119, 110]);
      await roll(client);
      await append(client, [0, 0]);
      await roll(client);
      expect(await count(client, ARCHIVE)).toBe(3);
      expect(await listed(client, false)).toBe(2);
      expect(await listed(client, true)).toBe(5);
      expect(await fault(client)).toEqual({ chain: CHAIN, fault: null, entries: 5 });
    });
  });

  test("moves no partition that has a row of the last ninety days", async () => {
    await database.transaction(async (client) => {
      await roll(client);
      await append(client, [89]);
      await roll(client);
      expect(await count(client, ARCHIVE)).toBe(0);
      expect(await listed(client, false)).toBe(1);
      const [moved] = (await roll(client, "70 days")).filter(({ action }) => action === "archived");
      expect(moved?.partition).toMatch(/^federation_audit_log_\d{8}$/);
      expect(await count(client, ARCHIVE)).toBe(1);
    });
  });

  test("turns a default partition with rows into one of their time, without touching a row", async () => {
    await database.transaction(async (client) => {
      await append(client, [20, 0]);
      const before = await client.query(`select ctid, id, at, hash from ${LOG} order by id`);
      expect((await roll(client)).map(({ action }) => action)).toContain("attached");
      expect(await count(client, "federation.federation_audit_log_default")).toBe(0);
      expect((await client.query(`select ctid, id, at, hash from ${LOG} order by id`)).rows).toEqual(before.rows);
      expect(await roll(client)).toEqual([]);
    });
  });

  test("leaves rows that lie around another partition where they are, and says so until it is settled", async () => {
    await database.transaction(async (client) => {
      await append(client, [20]);
      await roll(client);
      await append(client, [40, 1_000]);
      await append(client, [-400]);
      expect((await roll(client)).map(({ action }) => action)).toEqual(["left"]);
      await roll(client);
      const { rows } = await client.query("select code, subject from federation.list_alerts()");
      expect(rows).toEqual([{ code: "AUDIT_ROLLOVER", subject: "federation_audit_log_default" }]);
      expect(await fault(client)).toMatchObject({ fault: null, entries: 4 });
    });
  });

  test("leaves a log that no role can change, hot or cold, nor see but through its functions", async () => {
    await database.transaction(async (client) => {
      await roll(client);
      await append(client, [120, 0]);
      await roll(client);
      const { rows } = await client.query<{ partition: string }>("select partition from federation.audit_partitions()");
      expect(rows.length).toBeGreaterThan(6);
      for (const { partition } of rows) {
        const { rows: protection } = await client.query(
          "select relrowsecurity, relforcerowsecurity from pg_class where oid = $1::regclass",
          [partition],
        );
        expect(protection, partition).toEqual([{ relrowsecurity: true, relforcerowsecurity: true }]);
        for (const role of ["federation_gateway", "federation_admin", "federation_worker", "federation_peer"]) {
          expect(await refusal(asRole(client, role, () => client.query(`select from ${partition}`)))).toBe("42501");
        }
        expect(await refusal(asRole(client, "federation_owner", () => client.query(`truncate ${partition}`)))).toBe(
          "CONFLICT",
        );
      }
      for (const table of [LOG, ARCHIVE]) {
        for (const statement of [`update ${table} set code = 'X'`, `delete from ${table}`, `truncate ${table}`]) {
          expect(await refusal(asRole(client, "federation_owner", () => client.query(statement))), statement).toBe(
            "CONFLICT",
          );
        }
      }
    });
  });

  test("does not hide what was tampered with in the archive", async () => {
    await database.transaction(async (client) => {
      await roll(client);
      await append(client, [120, 119, 0]);
      await roll(client);
      expect(await fault(client)).toMatchObject({ fault: null });
      await client.query("set local session_replication_role = replica");
      await client.query(`update ${ARCHIVE} set row_count = 99 where chain = $1 and position = 2`, [CHAIN]);
      await client.query("set local session_replication_role = origin");
      expect(await fault(client)).toMatchObject({ fault: "changed" });
    });
  });

  test("takes a head that was kept elsewhere with it", async () => {
    await database.transaction(async (client) => {
      await roll(client);
      await append(client, [120, 119]);
      const { rows } = await client.query<{ position: string; hash: string }>(
        "select position, hash from federation.audit_heads() where chain = $1",
        [CHAIN],
      );
      await roll(client);
      expect(await count(client, ARCHIVE)).toBe(2);
      await append(client, [0]);
      const holds = async (hash: string | undefined): Promise<unknown> =>
        (
          await client.query("select federation.check_audit_head($1, $2, $3) as holds", [
            CHAIN,
            rows[0]?.position,
            hash,
          ])
        ).rows;
      expect(await holds(rows[0]?.hash)).toEqual([{ holds: true }]);
      expect(await holds("00".repeat(32))).toEqual([{ holds: false }]);
    });
  });
});

describe("a local user", () => {
  test("sees the trail of grants that speak for them, and of nobody else's", async () => {
    await database.transaction(async (client) => {
      await seedPeople(client, { olga: [], hugo: [] });
      const grants = await Promise.all(
        ["olga", "hugo"].map(async (user) => {
          const { rows } = await client.query<{ grant_id: string }>(
            `select grant_id from federation.create_grant($1, 'home.example.org', '{"resources": ["tasks"]}')`,
            [user],
          );
          return { grant_id: rows[0]?.grant_id, subject_user_id: user };
        }),
      );
      const [olgas, hugos] = grants;
      const entries = [olgas, hugos, { ...hugos, subject_user_id: "olga" }, { subject_user_id: "olga" }].map(
        (who, index) => ({
          ...who,
          verb: "list",
          outcome: "served",
          code: "OK",
          row_count: index,
        }),
      );
      await client.query("select federation.append_audit($1)", [JSON.stringify(entries)]);
      for (const [user, rows] of [
        ["olga", [0]],
        ["hugo", [1]],
      ] as const) {
        const seen = await asUser(client, user, () =>
          client.query<{ row_count: number }>("select row_count from home_api.audit_rows where verb = 'list'"),
        );
        expect(seen.rows.map(({ row_count }) => row_count)).toEqual(rows);
        expect(await refusal(asUser(client, user, () => client.query(`select from ${LOG}`)))).toBe("42501");
      }
    });
  });
});
