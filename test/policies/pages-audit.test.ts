import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { appendAt } from "../harness/audit.ts";
import { asked, openPagesWorld } from "./pages.ts";
import type { PagesWorld, Session } from "./pages.ts";
import { only } from "./verbs.ts";

let database: TestDatabase;
let world: PagesWorld;

beforeAll(async () => {
  database = await openTestDatabase();
  world = await openPagesWorld(database);
});
afterAll(() => database.close());

interface AuditPage {
  rows: { subject: string | null; grantId: string; rowCount: number }[];
  next: string | null;
}

/** By their number of rows, which tells them apart, the requests that the pages show. */
async function numbers(client: PoolClient, session: Session, filters = ""): Promise<number[]> {
  const { rows } = await asked<AuditPage>(client, session, `audit(verb => 'list'${filters})`);
  return rows.map(({ rowCount }) => rowCount);
}

describe("the log in the pages", () => {
  test("has what is in the archive where that is asked for, and only there: a user's has of it what is theirs", async () => {
    await database.transaction(async (client) => {
      const { ada, olga, mia, olgas, mias } = world;
      const request = (daysAgo: number, row_count: number, grant = olgas): Record<string, unknown> => ({
        ...{ grant_id: grant.id, subject_user_id: grant.subject, row_count },
        at: new Date(Date.now() - daysAgo * 86_400_000).toISOString(),
      });
      await client.query("select * from federation.roll_audit()");
      await appendAt(client, [request(120, 1), request(120, 2, mias)], "requests-5");
      await client.query("select * from federation.roll_audit()");
      await appendAt(client, [request(0, 3), request(0, 4, mias)], "requests-5");
      for (const [session, hot, cold] of [
        [ada, [4, 3], [4, 3, 2, 1]],
        [olga, [3], [3, 1]],
        [mia, [4], [4, 2]],
      ] as const) {
        expect(await numbers(client, session)).toEqual(hot);
        expect(await numbers(client, session, ", archived => false")).toEqual(hot);
        expect(await numbers(client, session, ", archived => true")).toEqual(cold);
      }
    });
  });

  test("is narrowed to one subject by an administrator; a user who names another sees their own, and no row that speaks of two", async () => {
    await database.transaction(async (client) => {
      const { ada, olga, mia, olgas, mias } = world;
      await appendAt(
        client,
        [
          { grant_id: olgas.id, subject_user_id: "olga" },
          { grant_id: mias.id, subject_user_id: "mia" },
          { grant_id: olgas.id, subject_user_id: "olga" },
          { grant_id: olgas.id, subject_user_id: "mia" },
        ].map((who, row_count) => ({ at: new Date().toISOString(), ...who, row_count })),
        "requests-5",
      );
      expect(await numbers(client, ada, ", subject => 'olga'")).toEqual([2, 0]);
      expect(await numbers(client, ada, ", subject => 'mia'")).toEqual([3, 1]);
      expect(await numbers(client, ada, ", subject => 'nobody'")).toEqual([]);
      expect(await numbers(client, olga, ", subject => 'mia'")).toEqual([2, 0]);
      expect(await numbers(client, mia, ", subject => 'olga'")).toEqual([1]);
    });
  });
});

describe("in the audit log under the name of the person who did it is", () => {
  interface Entry {
    verb: string;
    actor: string;
    by: string | null;
    outcome: string;
  }

  /** What somebody does, and the rows that the audit log has of it. */
  async function written(client: PoolClient, session: Session, call: string, values: unknown[]): Promise<Entry[]> {
    const { rows: before } = await client.query<{ id: string }>(
      "select coalesce(max(id), 0) as id from federation.federation_audit_log",
    );
    await asked(client, session, call, values);
    const { rows } = await client.query<Entry>(
      "select verb, actor, details ->> 'as' as by, outcome from federation.federation_audit_log where id > $1 order by id",
      [only(before).id],
    );
    return rows;
  }

  const entry = (verb: string, actor: string, by: "administrator" | "user"): Entry => ({
    ...{ verb, actor, by },
    outcome: "served",
  });

  test.each([
    ["a suspension", "suspend_grant($1)", "grant.changed"],
    ["a new enrollment URL", "create_enrollment_url($1)", "grant.enrollment_url_made"],
    ["an explanation", "explain($1, 'tasks')", "grant.explained"],
    ["a look at what a grant lets out", "visible($1)", "grant.viewed"],
  ])("%s by an administrator", async (_, call, verb) => {
    await database.transaction(async (client) => {
      // Each row is there once its statement has run.
      await client.query("set constraints all immediate");
      expect(await written(client, world.ada, call, [world.olgas.id])).toContainEqual(
        entry(verb, "ada", "administrator"),
      );
    });
  });

  test("a resumption by an administrator, where a login suspended", async () => {
    await database.transaction(async (client) => {
      await client.query("set constraints all immediate");
      await client.query("select federation.suspend_grant($1)", [world.olgas.id]);
      expect(await written(client, world.ada, "resume_grant($1)", [world.olgas.id])).toEqual([
        entry("grant.changed", "ada", "administrator"),
      ]);
    });
  });

  test("the removal of a peer, by an administrator as by the user whose it is", async () => {
    await database.transaction(async (client) => {
      await client.query("set constraints all immediate");
      for (const [session, actor, by, owner] of [
        [world.ada, "ada", "administrator", "mia"],
        [world.olga, "olga", "user", "olga"],
      ] as const) {
        const { rows } = await client.query<{ id: string }>(
          "select id from federation.federation_peers where owner_user_id = $1",
          [owner],
        );
        expect(await written(client, session, "remove_peer($1)", [only(rows).id])).toEqual([
          entry("peer.removed", actor, by),
        ]);
      }
    });
  });

  test("a request for a peer's renewal and the end of a grant by the user, who leaves no row by looking at what is theirs", async () => {
    await database.transaction(async (client) => {
      await client.query("set constraints all immediate");
      const { olga, olgas } = world;
      const [peer] = await asked<{ id: string }[]>(client, olga, "peers()");
      expect(await written(client, olga, "request_renewal($1)", [peer?.id])).toEqual([
        entry("peer.renewal_requested", "olga", "user"),
      ]);
      expect(await written(client, olga, "explain($1, 'tasks')", [olgas.id])).toEqual([]);
      expect(await written(client, olga, "visible($1)", [olgas.id])).toEqual([]);
      expect(await written(client, olga, "revoke_grant($1, 'enough')", [olgas.id])).toContainEqual(
        entry("grant.changed", "olga", "user"),
      );
    });
  });

  test("that somebody takes a copy of the log, as an administrator and as a user", async () => {
    await database.transaction(async (client) => {
      expect(await written(client, world.ada, "audit_exported()", [])).toEqual([
        entry("audit.exported", "ada", "administrator"),
      ]);
      expect(await written(client, world.olga, "audit_exported()", [])).toEqual([
        entry("audit.exported", "olga", "user"),
      ]);
    });
  });
});
