import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asRole, createGrant, seedPeople } from "./actors.ts";
import { admin } from "./grants.ts";
import { refusal } from "./verbs.ts";

const CHAIN = "requests-3";

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

async function append(client: PoolClient, count: number, chain = CHAIN): Promise<void> {
  const entries = Array.from({ length: count }, (_, index) => ({
    at: new Date(Date.UTC(2026, 0, 1, 0, 0, index)).toISOString(),
    verb: "list",
    outcome: "served",
    code: "OK",
    row_count: index,
    latency_ms: index / 3,
    request_id: `request ${index}`,
  }));
  const { rows } = await client.query<{ written: number }>("select federation.append_audit($1, $2) as written", [
    JSON.stringify(entries),
    chain,
  ]);
  expect(rows).toEqual([{ written: count }]);
}

interface Verified {
  chain: string;
  entries: string;
  fault: string | null;
  fault_position: string | null;
}
async function verify(client: PoolClient, chain = CHAIN): Promise<Verified | undefined> {
  const { rows } = await asRole(client, "federation_admin", () =>
    client.query<Verified>("select chain, entries, fault, fault_position from federation.verify_audit()"),
  );
  return rows.find((row) => row.chain === chain);
}

/** Statements of somebody whom no trigger stops. */
async function tamper(client: PoolClient, ...statements: string[]): Promise<void> {
  await client.query("set local session_replication_role = replica");
  for (const statement of statements) {
    await client.query(statement);
  }
  await client.query("set local session_replication_role = origin");
}
const LOG = "federation.federation_audit_log";
const ARCHIVE = "federation.federation_audit_archive";
const AT = (position: number): string => `chain = '${CHAIN}' and position = ${position}`;
/** Gives a row the hash that fits what it says. */
const REHASH = (position: number): string =>
  `update ${LOG} l set hash = federation.audit_hash(l.previous_hash, l) where ${AT(position)}`;

describe("a chain of audit rows", () => {
  test("that nobody touched verifies to its head, over several batches", async () => {
    await database.transaction(async (client) => {
      await append(client, 5);
      await append(client, 4);
      expect(await verify(client)).toEqual({ chain: CHAIN, entries: "9", fault: null, fault_position: null });
    });
  });

  test("verifies in whatever time zone and precision the reader's session has", async () => {
    await database.transaction(async (client) => {
      await client.query("set local timezone = 'Asia/Kolkata'");
      await append(client, 3);
      await client.query(
        "set local timezone = 'America/Caracas'; set local extra_float_digits = -5; set local datestyle = 'german'",
      );
      expect(await verify(client)).toMatchObject({ entries: "3", fault: null });
    });
  });

  test("is not another's: each has its own head", async () => {
    await database.transaction(async (client) => {
      await append(client, 3);
      await append(client, 2, "requests-4");
      expect(await verify(client)).toMatchObject({ entries: "3", fault: null });
      expect(await verify(client, "requests-4")).toMatchObject({ entries: "2", fault: null });
    });
  });

  test.each<[string, string[], string, string]>([
    ["changed", [`update ${LOG} set code = 'X' where ${AT(4)}`], "changed", "4"],
    ["changed, with a hash to match", [`update ${LOG} set code = 'X' where ${AT(4)}`, REHASH(4)], "changed", "4"],
    ["changed in its time", [`update ${LOG} set at = at + interval '1 microsecond' where ${AT(4)}`], "changed", "4"],
    ["removed", [`delete from ${LOG} where ${AT(4)}`], "removed", "4"],
    ["removed at the beginning", [`delete from ${LOG} where ${AT(1)}`], "removed", "1"],
    [
      "removed, and those after it renumbered",
      [
        `delete from ${LOG} where ${AT(4)}`,
        `update ${LOG} set position = position - 1 where chain = '${CHAIN}' and position > 4`,
      ],
      "removed",
      "4",
    ],
    ["removed at the end", [`delete from ${LOG} where ${AT(9)}`], "removed", "9"],
    [
      "inserted",
      [
        `insert into ${LOG} (at, verb, outcome, code, chain, position, previous_hash, hash)
         select at, 'get', outcome, code, chain, position, previous_hash, hash from ${LOG} where ${AT(4)}`,
      ],
      "inserted",
      "4",
    ],
    [
      "reordered",
      [
        `update ${LOG} set position = case position when 4 then 5 else 4 end where chain = '${CHAIN}' and position in (4, 5)`,
      ],
      "reordered",
      "4",
    ],
  ])("in which a row was %s is found, and where", async (_, statements, fault, position) => {
    await database.transaction(async (client) => {
      await append(client, 9);
      await tamper(client, ...statements);
      expect(await verify(client)).toMatchObject({ fault, fault_position: position });
    });
  });

  test("that lost its tail and its head's memory of it shows against a head that was kept elsewhere", async () => {
    await database.transaction(async (client) => {
      await append(client, 5);
      const heads = (): Promise<{ rows: unknown[] }> =>
        client.query("select position, hash from federation.audit_heads() where chain = $1", [CHAIN]);
      const kept = (await heads()).rows;
      await tamper(
        client,
        `delete from ${LOG} where ${AT(5)}`,
        `update federation.federation_audit_chains c set position = 4, hash = (select l.hash from ${LOG} l where ${AT(4)}) where c.chain = '${CHAIN}'`,
      );
      expect(await verify(client)).toMatchObject({ fault: null });
      expect((await heads()).rows).not.toEqual(kept);
    });
  });

  test.each([
    ["the log", "inserted", `insert into ${LOG} (verb, outcome, code) values ('list', 'served', 'OK')`],
    [
      "the log, before all others",
      null,
      `insert into ${LOG} (id, verb, outcome, code) overriding system value values (0, 'list', 'served', 'OK')`,
    ],
    [
      "the archive, under the number of another",
      "inserted",
      `create table federation.forged partition of ${ARCHIVE} default;
       insert into ${ARCHIVE} (id, at, verb, outcome, code, row_count, bytes_out, latency_ms)
         values (1, now(), 'list', 'served', 'OK', 0, 0, 0)`,
    ],
  ])("takes no row that belongs to none, in %s", async (_where, faultOfNewer, statement) => {
    await database.transaction(async (client) => {
      const { rows: kept } = await client.query("select * from federation.audit_heads() where chain = '(none)'");
      await append(client, 2);
      await tamper(client, statement);
      expect(await verify(client, "(none)")).toMatchObject({ fault: "inserted" });
      // Nor does it help to forget how many there were,
      await client.query("savepoint s; delete from federation.federation_settings where name = 'audit_unchained'");
      expect(await verify(client, "(none)")).toMatchObject({ fault: "inserted" });
      await client.query("rollback to savepoint s");
      // nor to say that it was always there: one that is newer than the chains is found, one that is older by what was kept elsewhere.
      await client.query(
        "update federation.federation_settings s set value = u.entries || ' ' || u.digest from federation.audit_unchained() u where s.name = 'audit_unchained'",
      );
      expect(await verify(client, "(none)")).toMatchObject({ fault: faultOfNewer });
      const { rows: checked } = await client.query<{ holds: boolean }>(
        "select federation.check_audit_head(chain, position, hash) as holds from jsonb_to_recordset($1) as h (chain text, position bigint, hash text)",
        [JSON.stringify(kept)],
      );
      expect(checked).toEqual([{ holds: false }]);
    });
  });

  test.each([
    ["out of its order", `update ${LOG} set id = id + 1000 where ${AT(2)}`, CHAIN, "reordered"],
    ["that another row has", `update ${LOG} set id = 1 where ${AT(1)}`, "(none)", "inserted"],
  ])("gives no row a number %s", async (_what, statement, where, fault) => {
    await database.transaction(async (client) => {
      await append(client, 5);
      await client.query(
        `select federation.append_audit('[{"verb": "list", "outcome": "served", "code": "OK"}]', 'requests-7')`,
      );
      const first = `(select min(id) from ${LOG} where chain = 'requests-7')`;
      await tamper(
        client,
        `alter table ${LOG} alter column id set generated by default`,
        statement.replace("set id = 1 ", `set id = ${first} `),
      );
      expect(await verify(client, where)).toMatchObject({ fault });
    });
  });

  test.each(["admin", "requests-16", "requests-77", "other"])(
    "is written by gateways only under its name, not as %s",
    async (chain) => {
      await database.transaction(async (client) => {
        await expect(
          asRole(client, "federation_gateway", () => client.query("select federation.append_audit('[]', $1)", [chain])),
        ).rejects.toMatchObject({ code: "MF012" });
      });
    },
  );

  test.each(["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"])(
    "keeps a row of %s under the time at which it came, and says what was claimed",
    async (at) => {
      await database.transaction(async (client) => {
        await client.query("select federation.append_audit($1)", [
          JSON.stringify([{ at, verb: "list", outcome: "served", code: "OK" }]),
        ]);
        const { rows } = await client.query<{ near: boolean; claimed: string }>(
          `select abs(extract(epoch from clock_timestamp() - at)) < 60 as near, details ->> 'claimedAt' as claimed from ${LOG} order by id desc limit 1`,
        );
        expect(rows[0]?.near).toBe(true);
        expect(new Date(rows[0]?.claimed ?? "").getTime()).toBe(new Date(at).getTime());
      });
    },
  );

  test("is not rewritten by any role of the federation", async () => {
    await database.transaction(async (client) => {
      await append(client, 1);
      for (const role of ["federation_gateway", "federation_admin", "federation_worker", "federation_owner"]) {
        for (const statement of [`update ${LOG} set code = 'X'`, `delete from ${LOG}`, `truncate ${LOG}`]) {
          const attempt = asRole(client, role, () => client.query(statement));
          expect(["42501", "CONFLICT"]).toContain(await refusal(attempt));
        }
      }
    });
  });
});

describe("a change that an administrator makes", () => {
  async function changes(client: PoolClient): Promise<{ verb: string; actor: string; details: unknown }[]> {
    // What a commit does at its end.
    await client.query("set constraints all immediate");
    const { rows } = await client.query<{ verb: string; actor: string; details: unknown }>(
      `select verb, actor, details from ${LOG} where chain = 'admin' order by position`,
    );
    return rows;
  }

  test("is in the log in the same transaction, with who, before and after", async () => {
    await database.transaction(async (client) => {
      await seedPeople(client, { olga: [] });
      const before = (await changes(client)).length;
      const grant = await activeGrant(client, "olga", { resources: ["tasks"] });
      await admin(client, "suspend_grant", grant.id);
      const rows = (await changes(client)).slice(before);
      expect(rows.map(({ verb }) => verb)).toEqual([
        "grant.created",
        "grant.changed",
        "certificate.created",
        "grant.changed",
      ]);
      const { rows: login } = await client.query<{ name: string }>("select session_user::text as name");
      expect(new Set(rows.map(({ actor }) => actor))).toEqual(new Set([login[0]?.name]));
      expect(rows.at(-1)?.details).toMatchObject({ before: { status: "active" }, after: { status: "suspended" } });
      expect(await verify(client, "admin")).toMatchObject({ fault: null });
    });
  });

  test.skipIf(inject("template").kind === "pglite")(
    "keeps no other change waiting until its transaction ends (on a server: the embedded database has one backend)",
    async () => {
      const [slow, quick] = [await database.pool.connect(), await database.pool.connect()];
      try {
        await slow.query("begin");
        await seedPeople(slow, { waiting: [] });
        await createGrant(slow, "waiting", { resources: ["tasks"] });
        await quick.query("begin; set local lock_timeout = '2s'");
        await seedPeople(quick, { brisk: [] });
        await createGrant(quick, "brisk", { resources: ["tasks"] });
        await quick.query("commit");
        await slow.query("commit");
      } finally {
        slow.release();
        quick.release();
      }
      await database.transaction(async (client) => {
        expect(await verify(client, "admin")).toMatchObject({ fault: null });
      });
    },
  );

  test("that is rolled back leaves no row", async () => {
    await database.transaction(async (client) => {
      await seedPeople(client, { olga: [] });
      const before = await changes(client);
      await client.query("savepoint s");
      await createGrant(client, "olga", { resources: ["tasks"] });
      expect((await changes(client)).length).toBeGreaterThan(before.length);
      await client.query("rollback to savepoint s");
      expect(await changes(client)).toEqual(before);
    });
  });

  test("shows no secret: neither a sealed key nor the hash of a token", async () => {
    await database.transaction(async (client) => {
      await seedPeople(client, { olga: [] });
      await client.query(`
        select federation.add_peer(gen_random_uuid(), 'olga', 'work.example.org', 'https://w', 'https://w', gen_random_uuid(), '\\x00', '{}', '00',
          now() + interval '1 day', '\\xdeadbeef01');
        select federation.create_user_token('olga');
        select federation.add_authority(gen_random_uuid(), 'embedded', '\\x00', repeat('0', 64), '\\xdeadbeef02')`);
      await client.query("update federation.federation_peers set sealed_key = '\\xdeadbeef03'");
      const rows = await changes(client);
      expect(rows.map(({ verb }) => verb)).toEqual(
        expect.arrayContaining(["peer.created", "token.created", "authority.created", "peer.sealed"]),
      );
      expect(JSON.stringify(rows)).not.toMatch(/deadbeef|token_hash|sealed_key/);
    });
  });
});
