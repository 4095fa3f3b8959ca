import * as fc from "fast-check";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { asPeer, asRole, asUser } from "./actors.ts";
import type { Grant, Scope } from "./actors.ts";
import { asked, openPagesWorld, SCOPE } from "./pages.ts";
import type { Session } from "./pages.ts";
import { list, refusal } from "./verbs.ts";

const NOBODYS = "00000000-0000-4000-8000-0000000000ff";

interface Preview {
  widens: boolean;
  widenedBy: string[];
  resources: {
    resource: string;
    unprotected: boolean;
    rowsBefore: number;
    rowsAfter: number;
    rowsGained: number;
    rowsLost: number;
    more: boolean;
    examplesGained: Record<string, unknown>[];
    examplesLost: Record<string, unknown>[];
  }[];
}

let database: TestDatabase;
let ada: Session;
let olga: Session;
let olgas: Grant;
let mias: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  ({ ada, olga, olgas, mias } = await openPagesWorld(database));
});
afterAll(() => database.close());

describe("another scope", () => {
  const preview = async (scope: Scope): Promise<Preview> =>
    database.transaction((client) =>
      asked<Preview>(client, ada, "preview_scope($1, $2)", [olgas.id, JSON.stringify(scope)]),
    );
  const of = ({ resources }: Preview, name: string): Preview["resources"][number] | undefined =>
    resources.find(({ resource }) => resource === name);

  test("is shown by the rows that the peer would gain and lose, as it would be served them", async () => {
    const wider = await preview({ resources: ["tasks", "credentials"], include_teams: "*", include_personal: true });
    expect(wider).toMatchObject({ widens: true, widenedBy: ["resources", "include_teams", "include_personal"] });
    expect(of(wider, "tasks")).toMatchObject({ rowsBefore: 1, rowsAfter: 3, rowsGained: 2, rowsLost: 0, more: false });
    expect(
      of(wider, "tasks")
        ?.examplesGained.map(({ title }) => title)
        .sort(),
    ).toEqual(["other team", "own"]);
    expect(of(wider, "credentials")).toMatchObject({ rowsGained: 1 });
    expect(of(wider, "credentials")?.examplesGained[0]).not.toHaveProperty("secret");
    expect(of(wider, "notes")).toMatchObject({ rowsBefore: 0, rowsAfter: 0 });

    const other = await preview({ resources: ["notes"], include_teams: ["t1"] });
    expect(other).toMatchObject({ widens: true, widenedBy: ["resources"] });
    expect(of(other, "tasks")).toMatchObject({ rowsGained: 0, rowsLost: 1 });
    expect(of(other, "tasks")?.examplesLost.map(({ title }) => title)).toEqual(["team"]);
    expect(await preview({ ...SCOPE, max_rows_per_query: 1 })).toMatchObject({ widens: false, widenedBy: [] });
  });

  test("changes nothing by being looked at, which is in the audit log", async () => {
    await database.transaction(async (client) => {
      const before = await asPeer(client, olgas, () => list(client, "tasks"));
      await asked(client, ada, "preview_scope($1, $2)", [olgas.id, JSON.stringify({ resources: ["notes"] })]);
      expect(await asPeer(client, olgas, () => list(client, "tasks"))).toEqual(before);
      const { rows } = await client.query("select verb, actor from federation.list_audit(limit_rows => 1)");
      expect(rows).toEqual([{ verb: "grant.previewed", actor: "ada" }]);
      expect(await refusal(asked(client, ada, "preview_scope($1, '{}')", [olgas.id]))).toBe("SCOPE_INVALID");
      expect(await refusal(asked(client, ada, "preview_scope($1, $2)", [NOBODYS, JSON.stringify(SCOPE)]))).toBe(
        "NOT_FOUND",
      );
    });
  });

  test("of more than 10 000 rows is compared by the first of them, so that nothing is gained that was only not read", async () => {
    await database.transaction(async (client) => {
      await client.query(
        "insert into app.tasks (title, owner_id, team_id) select 'many', 'olga', 't1' from generate_series(1, 10050)",
      );
      const seen = await asked<Preview>(client, ada, "preview_scope($1, $2)", [
        olgas.id,
        JSON.stringify({ ...SCOPE, include_personal: true }),
      ]);
      const tasks = of(seen, "tasks");
      expect(tasks).toMatchObject({ more: true, rowsLost: 0 });
      expect(tasks?.rowsGained).toBeLessThanOrEqual(1);
      expect(tasks?.rowsBefore).toBeGreaterThan(9_000);
    });
  });

  test("is saved over the scope that was shown, and over no other", async () => {
    await database.transaction(async (client) => {
      const update = (shown: Scope | null, scope: Scope): Promise<unknown> =>
        asked(client, ada, "update_scope($1, $2, $3, true)", [
          olgas.id,
          JSON.stringify(scope),
          shown === null ? null : JSON.stringify(shown),
        ]);
      const first = { ...SCOPE, include_personal: true };
      await update(SCOPE, first);
      expect(await refusal(update(SCOPE, { ...SCOPE, include_teams: "*" }))).toBe("CONFLICT");
      expect(await refusal(update(null, { ...SCOPE, include_teams: "*" }))).toBe("CONFLICT");
      expect(await asked(client, ada, '"grant"($1)', [olgas.id])).toMatchObject({ scope: first });
      await update(first, SCOPE);
    });
  });

  test("is in the audit log once it was looked at, with the resources that were compared", async () => {
    await database.transaction(async (client) => {
      const scope = { resources: ["notes"], include_teams: ["t1"] };
      await asked(client, ada, "preview_scope($1, $2)", [olgas.id, JSON.stringify(scope)]);
      const { rows } = await client.query<{ actor: string; details: unknown }>(
        "select actor, details from federation.list_audit($1) where verb = 'grant.previewed' limit 1",
        [olgas.id],
      );
      expect(rows).toEqual([
        { actor: "ada", details: { via: "pages", as: "administrator", scope, resources: ["notes", "tasks"] } },
      ]);
    });
  });

  test("that widens is saved only by who confirms it; one that narrows holds for the peer's next request", async () => {
    await database.transaction(async (client) => {
      let shown: Scope = SCOPE;
      const update = async (scope: Scope, confirm?: boolean): Promise<void> => {
        await asked(client, ada, "update_scope($1, $2, $3, $4)", [
          olgas.id,
          JSON.stringify(scope),
          JSON.stringify(shown),
          confirm,
        ]);
        shown = scope;
      };
      const titles = async (): Promise<number> =>
        (await asPeer(client, olgas, () => list(client, "tasks"))).rows.length;
      const wider = { ...SCOPE, include_teams: ["t1", "t2"] };
      expect(await refusal(update(wider))).toBe("WIDENING_UNCONFIRMED");
      expect(await refusal(update(wider, false))).toBe("WIDENING_UNCONFIRMED");
      expect(await titles()).toBe(1);
      await update(wider, true);
      expect(await titles()).toBe(2);
      await update(SCOPE);
      expect(await titles()).toBe(1);
      await asked(client, ada, "revoke_grant($1, 'x')", [olgas.id]);
      expect(await refusal(update(SCOPE))).toBe("CONFLICT");
    });
  });

  test("gains no row, of any scope and any row, unless it is told to widen", async () => {
    const scopes = fc.record(
      {
        resources: fc.uniqueArray(fc.constantFrom("tasks", "notes", "credentials"), { minLength: 1 }),
        excluded_resources: fc.uniqueArray(fc.constantFrom("tasks", "notes")),
        include_teams: fc.oneof(fc.constant("*"), fc.uniqueArray(fc.constantFrom("t1", "t2", "t3"))),
        include_personal: fc.boolean(),
        max_rows_per_query: fc.integer({ min: 1, max: 200 }),
      },
      { requiredKeys: ["resources"] },
    );
    await database.transaction(async (client) => {
      let gained = 0;
      await fc.assert(
        fc.asyncProperty(scopes, scopes, async (before, after) => {
          await client.query("select federation.update_grant($1, $2)", [olgas.id, JSON.stringify(before)]);
          const seen = await asked<Preview>(client, ada, "preview_scope($1, $2)", [olgas.id, JSON.stringify(after)]);
          const rows = seen.resources.reduce((sum, { rowsGained }) => sum + rowsGained, 0);
          gained += rows;
          expect(rows === 0 || seen.widens).toBe(true);
        }),
        { numRuns: 40 },
      );
      expect(gained).toBeGreaterThan(0);
    });
  }, 120_000);
});

describe("a grant that is not made yet", () => {
  const WIDE = { resources: ["tasks", "credentials"], include_teams: "*", include_personal: true };
  const preview = (client: PoolClient, subject: string, scope: unknown): Promise<Preview> =>
    asked<Preview>(client, ada, "preview_grant($1, $2)", [subject, JSON.stringify(scope)]);

  test("is shown by the rows that its peer would see, which are those that it sees once the grant is made", async () => {
    await database.transaction(async (client) => {
      const { widens, resources } = await preview(client, "olga", WIDE);
      expect(widens).toBe(true);
      const made = await asked<{ grant: { id: string } }>(client, ada, "create_grant('olga', 'home.example', $1)", [
        JSON.stringify(WIDE),
      ]);
      const seen = await asked<{ resources: { resource: string; rows: number }[] }>(client, ada, "visible($1)", [
        made.grant.id,
      ]);
      const counts = (of: [name: string, rows: number][]): unknown =>
        Object.fromEntries(of.filter(([, rows]) => rows > 0));
      expect(counts(resources.map(({ resource, rowsGained }) => [resource, rowsGained]))).toEqual({
        credentials: 1,
        tasks: 3,
      });
      expect(counts(resources.map(({ resource, rowsGained }) => [resource, rowsGained]))).toEqual(
        counts(seen.resources.map(({ resource, rows }) => [resource, rows])),
      );
      expect(resources.every(({ rowsBefore, rowsLost }) => rowsBefore + rowsLost === 0)).toBe(true);
      const examples = resources.find(({ resource }) => resource === "credentials")?.examplesGained;
      expect(examples).toHaveLength(1);
      expect(examples?.[0]).not.toHaveProperty("secret");
    });
  });

  test("leaves nothing behind but that it was looked at, by whom, and for whom", async () => {
    await database.transaction(async (client) => {
      const left = async (): Promise<unknown> => [
        await asked(client, ada, "grants()"),
        (await client.query("select count(*)::integer as rows from federation.federation_enrollment_tokens")).rows,
      ];
      const logged = async (): Promise<{ verb: string }[]> =>
        (
          await client.query<{ verb: string }>(
            "select verb, actor, grant_id, subject_user_id, details from federation.list_audit()",
          )
        ).rows;
      const [before, rowsBefore] = [await left(), await logged()];
      await preview(client, "olga", WIDE);
      expect(await left()).toEqual(before);
      const [newest, ...older] = await logged();
      expect(newest).toMatchObject({
        ...{ verb: "grant.previewed", actor: "ada", grant_id: null, subject_user_id: "olga" },
        details: { scope: WIDE, resources: ["credentials", "tasks"] },
      });
      expect(older).toEqual(rowsBefore.slice(0, older.length));
      expect(older).toHaveLength(Math.min(rowsBefore.length, 99));
    });
  });

  test("is in the trail of whom it would speak for, and of nobody else", async () => {
    const looked = async (client: PoolClient, person: Session): Promise<unknown[]> =>
      (
        await asked<{ rows: { verb: string; subject: string; grantId: string | null; actor: string | null }[] }>(
          ...[client, person, "audit(verb => 'grant.previewed')"],
        )
      ).rows.filter(({ grantId }) => grantId === null);
    await database.transaction(async (client) => {
      await preview(client, "olga", WIDE);
      await preview(client, "mia", WIDE);
      expect(await looked(client, olga)).toMatchObject([{ subject: "olga", actor: null, details: null }]);
      const { rows } = await asUser(client, "olga", () =>
        client.query("select verb from home_api.audit_rows where grant_id is null"),
      );
      expect(rows).toEqual([{ verb: "grant.previewed" }]);
    });
  });

  test("is in no trail by the word of who serves requests, whatever grant and person such a row names", async () => {
    await database.transaction(async (client) => {
      await asRole(client, "federation_gateway", () =>
        client.query("select federation.append_audit($1, 'requests-0')", [
          JSON.stringify(
            [mias.id, null].map((grant_id) => ({
              ...{ at: new Date().toISOString(), verb: "grant.previewed", outcome: "served", code: "OK" },
              ...{ grant_id, subject_user_id: "olga", details: { person: "somebody" } },
            })),
          ),
        ]),
      );
      const previews = async (person: Session): Promise<unknown[]> =>
        (await asked<{ rows: unknown[] }>(client, person, "audit(verb => 'grant.previewed')")).rows;
      expect(await previews(ada)).toHaveLength(2);
      expect(await previews(olga)).toEqual([]);
      const own = await asUser(client, "olga", () =>
        client.query("select from home_api.audit_rows where verb = 'grant.previewed'"),
      );
      expect(own.rowCount).toBe(0);
    });
  });

  test("is counted without a token being made: who changes the table of tokens waits for no count", async () => {
    await database.transaction(async (client) => {
      await client.query(
        `create function app.holds_tokens() returns boolean language sql volatile as
           $$ select exists (select from pg_locks where pid = pg_backend_pid() and relation = 'federation.federation_enrollment_tokens'::regclass) $$;
         grant usage on schema app to federation_peer;
         grant execute on function app.holds_tokens() to federation_peer;
         create policy holds_tokens on app.tasks as restrictive for select to federation_peer using (not app.holds_tokens())`,
      );
      const { resources } = await preview(client, "olga", WIDE);
      expect(resources.find(({ resource }) => resource === "tasks")).toMatchObject({ rowsGained: 3 });
    });
  });

  test("is refused as it would be if it were made", async () => {
    await database.transaction(async (client) => {
      expect(await refusal(preview(client, "nobody", WIDE))).toBe("SUBJECT_UNKNOWN");
      expect(await refusal(preview(client, "olga", { resources: ["nothing"] }))).toBe("SCOPE_INVALID");
    });
  });
});

describe("what was refused while it was counted", () => {
  test.each([
    ["another scope", "preview_scope($1, $2)"],
    ["a grant that is not made", "preview_grant('olga', $2)"],
    ["what a peer sees now", "visible($1)"],
  ])("is no rows in no report: %s is refused as a whole", async (_, call) => {
    await database.transaction(async (client) => {
      // As the table is protected when it is asked whether it is, and not when it has been read.
      await client.query(
        `create function app.gone() returns boolean language plpgsql as $$ begin raise exception 'gone' using errcode = 'MF013'; end $$;
         grant usage on schema app to federation_peer;
         grant execute on function app.gone() to federation_peer;
         create policy gone on app.tasks as restrictive for select to federation_peer using (app.gone())`,
      );
      const values = [olgas.id, JSON.stringify(SCOPE)].filter((_value, index) => call.includes(`$${index + 1}`));
      const asking = asked(client, ada, values.length === 1 ? call.replace("$2", "$1") : call, values);
      expect(await refusal(asking)).toBe("UNAVAILABLE");
    });
  });

  test("is no scope that refuses in a preview: who asks is told that it could not be counted", async () => {
    await database.transaction(async (client) => {
      await client.query(
        `alter function federation.scope_admits(text) rename to scope_admits_before;
         create function federation.scope_admits(resource text) returns boolean language plpgsql as
           $$ begin raise exception 'gone' using errcode = 'MF013'; end $$`,
      );
      expect(await refusal(asked(client, ada, "preview_scope($1, $2)", [olgas.id, JSON.stringify(SCOPE)]))).toBe(
        "UNAVAILABLE",
      );
    });
  });

  test("because the table has no protection is said so: the scope holds again with it", async () => {
    await database.transaction(async (client) => {
      await client.query("alter table app.tasks disable row level security");
      const { resources } = await asked<Preview>(client, ada, "preview_scope($1, $2)", [
        olgas.id,
        JSON.stringify(SCOPE),
      ]);
      expect(resources.find(({ resource }) => resource === "tasks")).toMatchObject({
        ...{ admittedAfter: false, unprotected: true, rowsAfter: 0 },
      });
      expect(resources.find(({ resource }) => resource === "notes")).toMatchObject({ unprotected: false });
    });
  });
});
