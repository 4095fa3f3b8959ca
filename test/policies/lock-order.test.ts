import type { PoolClient } from "pg";
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { migrateDatabase } from "../../src/database/migrate.ts";
import { backendOf, untilBlocked } from "../harness/blocked.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { fingerprintFor } from "../harness/fingerprint.ts";
import { activeGrant, createGrant, newSerial, recordRenewal, seedPeople } from "./actors.ts";
import type { Grant, PendingGrant } from "./actors.ts";
import { only, refusal } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };

let database: TestDatabase;
let people = 0;
let subject: string;

beforeAll(async () => {
  database = await openTestDatabase();
});
beforeEach(async () => {
  people += 1;
  subject = `person ${people}`;
  await database.committed((client) => seedPeople(client, { [subject]: [] }));
});
afterAll(() => database.close());

/** Sessions whose transactions are open at once, each of which gives up a lock that it waits for longer than ten seconds. */
async function together<T>(count: number, work: (...clients: PoolClient[]) => Promise<T>): Promise<T> {
  const clients = await Promise.all(Array.from({ length: count }, () => database.pool.connect()));
  try {
    for (const client of clients) {
      await client.query("begin; set local lock_timeout = '10s'");
    }
    return await work(...clients);
  } finally {
    for (const client of clients) {
      await client.query("rollback");
      client.release();
    }
  }
}

/** Begins a statement that has to wait for another transaction's lock, and comes back once it does. */
async function waiting(client: PoolClient, statement: string, values: unknown[]): Promise<{ done: Promise<unknown> }> {
  const pid = await backendOf(client);
  const done = client.query(statement, values);
  done.catch(() => undefined);
  await untilBlocked(database.pool, pid);
  return { done };
}

const confirm = "select federation.confirm_certificate($1, $2, $3, $4)";

/** Renews a certificate and confirms the new one. */
async function renewed(client: PoolClient, grant: Grant, from: string): Promise<string> {
  const serial = newSerial();
  await recordRenewal(client, grant, from, serial);
  await client.query(confirm, [grant.id, grant.subject, serial, fingerprintFor(serial)]);
  return serial;
}

/** Registers a resource that cannot be prepared any more, and lets all others be out of date. */
async function wearOut(client: PoolClient): Promise<void> {
  await client.query(
    `create table app.worn (id integer primary key, owner_id text not null, at timestamptz not null default now());
     select federation.register_resource(name => 'worn', table_id => 'app.worn', owner => 'owner_id', order_by => '[{"column": "at"}]');
     alter table app.worn rename column at to made_at;
     update federation.federation_prepared_resources set fingerprint = 'of another database'`,
  );
}

async function state(serial: string): Promise<unknown> {
  const { rows } = await database.pool.query<{ confirmed: boolean; revocation_reason: string | null }>(
    "select confirmed_at is not null as confirmed, revocation_reason from federation.federation_certificates where serial = $1",
    [serial],
  );
  return only(rows);
}

// The embedded database has one backend: no two transactions of it are open at once.
describe.skipIf(inject("template").kind === "pglite")("of transactions that are open at once", () => {
  test("one that prepares resources and one that removes a resource do not deadlock: both are done", async () => {
    await together(2, async (preparing, removing) => {
      await preparing.query("select federation.lock_registrations()");
      const { done } = await waiting(removing, "select federation.unregister_resource($1)", ["notes"]);
      await preparing.query("lock table app.notes in access share mode");
      await preparing.query("rollback");
      await done;
    });
  });

  test("one that brings the database to a release and one that removes a resource do not deadlock: both are done", async () => {
    await together(2, async (applying, removing) => {
      // As triggers of a release that are made again lock it.
      await applying.query("lock table federation.federation_resources in share row exclusive mode");
      const { done } = await waiting(removing, "select federation.unregister_resource($1)", ["notes"]);
      await applying.query("select federation.lock_registrations()");
      await applying.query("rollback");
      await done;
    });
  });

  test("one that prepares what was not prepared holds no row of it before the lock that a removal has", async () => {
    await database.committed((client) =>
      client.query("delete from federation.federation_prepared_resources where resource_name = 'notes'"),
    );
    await together(2, async (removing, preparing) => {
      await removing.query("select federation.lock_registrations()");
      const { done } = await waiting(preparing, "select federation.prepare_resource($1)", ["notes"]);
      await removing.query("delete from federation.federation_resources where name = 'notes'");
      await removing.query("rollback");
      await done;
    });
    await database.committed((client) => client.query("select federation.prepare_resources()"));
  });

  test("one that prepares all, one of them for the first time, and one that removes another do not deadlock: both are done", async () => {
    await database.committed((client) =>
      client.query(
        `update federation.federation_prepared_resources set fingerprint = 'of another database';
         delete from federation.federation_prepared_resources where resource_name = 'tasks'`,
      ),
    );
    await together(2, async (preparing, removing) => {
      await removing.query("select federation.lock_registrations()");
      const { done } = await waiting(preparing, "select federation.prepare_resources()", []);
      await removing.query("select federation.unregister_resource('notes')");
      await removing.query("rollback");
      await done;
    });
    await database.committed((client) => client.query("select federation.prepare_resources()"));
  });

  test("one that prepares all, one of which it cannot, and one that removes another do not deadlock: both are done", async () => {
    await database.committed(wearOut);
    await together(2, async (preparing, removing) => {
      await removing.query("select federation.lock_registrations()");
      const { done } = await waiting(preparing, "select * from federation.prepare_resources()", []);
      await removing.query("select federation.unregister_resource('tasks')");
      await removing.query("rollback");
      expect(await done).toMatchObject({ rows: [{ resource: "worn" }] });
    });
    await database.committed((client) =>
      client.query(
        "select federation.unregister_resource('worn'); drop table app.worn; select federation.prepare_resources()",
      ),
    );
  });

  test("one that registers a resource and one that writes what all are read by do not deadlock: both are done, and it has both", async () => {
    await database.committed((client) =>
      client.query(
        `create table app.newly (id integer primary key, owner_id text not null);
         create or replace function federation.prepared_mark(resource text) returns text language sql stable set search_path = '' as 'select null::text'`,
      ),
    );
    await together(2, async (registering, preparing) => {
      await registering.query("select federation.lock_registrations()");
      const { done } = await waiting(preparing, "select federation.prepare_resources()", []);
      await registering.query(
        "select federation.register_resource(name => 'newly', table_id => 'app.newly', owner => 'owner_id')",
      );
      await registering.query("commit");
      await done;
      await preparing.query("commit");
    });
    const { rows } = await database.pool.query<{ unprepared: string[]; stale: boolean; has: boolean[] }>(
      `select array(select federation.unprepared_resources()) as unprepared, federation.read_prepared_is_stale() as stale,
         array(select prosrc like '%' || name || '%' from unnest(array['newly', 'tasks']) as name) as has
       from pg_proc where oid = 'federation.prepared_mark(text)'::regprocedure`,
    );
    expect(rows).toEqual([{ unprepared: [], stale: false, has: [true, true] }]);
    await database.committed((client) =>
      client.query("select federation.unregister_resource('newly'); drop table app.newly"),
    );
  });

  test("a start that cannot prepare a resource holds no row of another before the lock that a removal has", async () => {
    await database.committed(wearOut);
    await together(1, async (removing) => {
      await removing.query("select federation.lock_registrations()");
      const starting = migrateDatabase({ connectionString: database.connectionString });
      await expect
        .poll(
          async () =>
            (
              await database.pool.query(
                "select from pg_locks where locktype = 'advisory' and not granted and database = (select oid from pg_database where datname = current_database())",
              )
            ).rowCount,
          { timeout: 10_000 },
        )
        .toBe(1);
      await removing.query("select federation.unregister_resource('tasks'), federation.unregister_resource('worn')");
      await removing.query("rollback");
      await starting;
    });
    await database.committed((client) =>
      client.query("select federation.unregister_resource('worn'); drop table app.worn"),
    );
  });

  test("one that prepares a resource anew and one that removes it do not deadlock: both are done", async () => {
    await together(3, async (other, removing, preparing) => {
      // Both are kept where they come to what is prepared.
      await other.query("lock table federation.federation_prepared_resources in share mode");
      const preparation = await waiting(preparing, "select federation.prepare_resource($1)", ["notes"]);
      const removal = await waiting(removing, "select federation.unregister_resource($1)", ["notes"]);
      await other.query("rollback");
      // Whichever comes first.
      await Promise.all([
        removal.done.then(() => removing.query("rollback")),
        preparation.done.then(() => preparing.query("rollback")),
      ]);
    });
  });

  test.each([
    ["its turn", "select federation.lock_registrations()"],
    ["the table", "lock table app.notes in access share mode"],
  ])("a resource that a grant was given while its removal waited for %s is not removed", async (_, lock) => {
    await together(2, async (other, removing) => {
      await other.query(lock);
      const { done } = await waiting(removing, "select federation.unregister_resource($1)", ["notes"]);
      const grant = await database.committed((client) =>
        activeGrant(client, subject, { resources: ["notes"], include_personal: true }),
      );
      await other.query("rollback");
      expect(await refusal(done)).toBe("CONFLICT");
      await database.committed((client) => client.query("select federation.revoke_grant($1)", [grant.id]));
    });
  });

  test("one that revokes a grant and one that spends its token do not deadlock: the token is spent", async () => {
    const grant: PendingGrant = await database.committed((client) => createGrant(client, subject, SCOPE));
    await together(3, async (holder, administrator, gateway) => {
      await holder.query("select from federation.federation_grants where id = $1 for update", [grant.id]);
      const revoking = await waiting(administrator, "select federation.revoke_grant($1)", [grant.id]);
      const redeeming = await waiting(gateway, "select federation.redeem_enrollment_token($1)", [grant.token]);
      await holder.query("commit");
      await revoking.done;
      await administrator.query("commit");
      expect(await refusal(redeeming.done)).toBe("TOKEN_SPENT");
    });
  });

  test("one that confirms a certificate waits for one that ends its grant, and holds nothing that it needs", async () => {
    const [grant, next] = await database.committed(async (client) => {
      const made = await activeGrant(client, subject, SCOPE);
      const serial = newSerial();
      await recordRenewal(client, made, made.serial, serial);
      return [made, serial];
    });
    await together(2, async (administrator, gateway) => {
      await administrator.query("select from federation.federation_grants where id = $1 for update", [grant.id]);
      const confirming = await waiting(gateway, confirm, [grant.id, grant.subject, next, fingerprintFor(next)]);
      await administrator.query("select federation.revoke_grant($1)", [grant.id]);
      await administrator.query("commit");
      expect(await refusal(confirming.done)).toBe("GRANT_REVOKED");
    });
    expect(await state(next)).toEqual({ confirmed: false, revocation_reason: "privilegeWithdrawn" });
  });

  test("one that supersedes certificates waits for nobody: what another is at is left for the next run", async () => {
    const [grant, second] = await database.committed(async (client) => {
      const made = await activeGrant(client, subject, SCOPE);
      const serial = await renewed(client, made, made.serial);
      await renewed(client, made, serial);
      return [made, serial];
    });
    const supersede = "select federation.supersede_certificates('0 seconds') as count";
    await together(2, async (other, worker) => {
      await other.query("select from federation.federation_certificates where serial = $1 for update", [grant.serial]);
      await worker.query(supersede);
      await worker.query("commit");
    });
    expect(await state(grant.serial)).toMatchObject({ revocation_reason: null });
    expect(await state(second)).toMatchObject({ revocation_reason: "superseded" });
    await database.pool.query(supersede);
    expect(await state(grant.serial)).toMatchObject({ revocation_reason: "superseded" });
  });

  test("one that revokes a certificate revokes what another has renewed from it meanwhile, too", async () => {
    const grant = await database.committed((client) => activeGrant(client, subject, SCOPE));
    const next = newSerial();
    await together(2, async (gateway, administrator) => {
      await recordRenewal(gateway, grant, grant.serial, next);
      const revoking = await waiting(administrator, "select federation.revoke_certificate($1)", [grant.serial]);
      await gateway.query("commit");
      await revoking.done;
      await administrator.query("commit");
    });
    expect(await state(next)).toMatchObject({ revocation_reason: "unspecified" });
  });

  test.each(["delete from app.users where id = $1", "update app.users set id = id || ' of old' where id = $1"])(
    "one by which a subject goes locks its grants in the order of all others: %s",
    async (statement) => {
      const [larger, smaller] = await database.committed(async (client) => {
        const made: string[] = [];
        // In the table they stand the other way around.
        do {
          made.push((await createGrant(client, subject, SCOPE)).id);
        } while (made.length < 2 || (made.at(-1) ?? "") > (made[0] ?? ""));
        return [made[0], made.at(-1)];
      });
      await together(2, async (other, application) => {
        const lock = "select from federation.federation_grants where id = $1 for update";
        await other.query(lock, [smaller]);
        const going = await waiting(application, statement, [subject]);
        await other.query(`${lock} nowait`, [larger]);
        await other.query("commit");
        await going.done;
        await application.query("commit");
      });
      const { rows } = await database.pool.query<{ status: string }>(
        "select distinct status from federation.federation_grants where subject_user_id = $1",
        [subject],
      );
      expect(rows).toEqual([{ status: "revoked" }]);
    },
  );
});
