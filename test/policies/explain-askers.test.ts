import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asLogin, asPeer, asRole, asUser, seedPeople, seedRows } from "./actors.ts";
import type { Grant, Scope } from "./actors.ts";
import { explain, explainFor, visibleTo } from "./explain.ts";
import { get, list, only, refusal } from "./verbs.ts";

const DENIED = "42501";
const SCOPE = { resources: ["tasks"], include_teams: ["t1"], include_personal: true };
const NOBODYS = "00000000-0000-4000-8000-0000000000ff";

let database: TestDatabase;
let grant: Grant;
/** Rows of olga, who is in t1 and t2, and one of mia, who is in t3. */
let own: string, otherTeam: string;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: ["t1", "t2"], mia: ["t3"] });
  [own = "", , otherTeam = ""] = await seedRows(client, "tasks", [
    { owner: "olga", team: null, label: "own" },
    { owner: "olga", team: "t1", label: "team" },
    { owner: "olga", team: "t2", label: "other team" },
    { owner: "olga", team: "t3", label: "left" },
    { owner: "mia", team: "t3", label: "foreign" },
  ]);
  await seedRows(client, "credentials", [{ owner: "olga", team: null }]);
  grant = await activeGrant(client, "olga", SCOPE);
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

describe("visible", () => {
  test("counts and shows what the peer's own list brings, and what the subject sees of it", async () => {
    await database.transaction(async (client) => {
      const { refused, resources } = await visibleTo(client, grant.id, { samples: 1 });
      const { rows } = await asPeer(client, grant, () => list(client, "tasks", { first: 1 }));
      expect(refused).toBeNull();
      expect(resources.find(({ resource }) => resource === "tasks")).toEqual({
        resource: "tasks",
        admitted: true,
        reason: null,
        rows: 2,
        rowsOfSubject: 4,
        more: false,
        samples: rows,
      });
      expect(resources.find(({ resource }) => resource === "credentials")).toMatchObject({
        admitted: false,
        reason: "not in scope",
        rows: 0,
        rowsOfSubject: 1,
        samples: [],
      });
    });
  });

  test("tries another scope, which is checked as any, and changes nothing", async () => {
    await database.transaction(async (client) => {
      const tasks = async (scope?: Scope): Promise<unknown> =>
        (await visibleTo(client, grant.id, { scope })).resources.find(({ resource }) => resource === "tasks");
      expect(await tasks({ resources: ["tasks"], include_teams: "*" })).toMatchObject({ rows: 2 });
      expect(await tasks({ ...SCOPE, include_teams: "*" })).toMatchObject({ rows: 3 });
      expect(await tasks({ resources: ["notes"] })).toMatchObject({ admitted: false, rows: 0 });
      expect(await tasks()).toMatchObject({ rows: 2 });
      expect(await refusal(tasks({ resources: ["nothing"] }))).toBe("SCOPE_INVALID");
    });
  });

  test("leaves rows beyond 10 000 uncounted", async () => {
    await database.transaction(async (client) => {
      await client.query(
        "insert into app.tasks (title, owner_id, team_id) select 'many', 'olga', 't1' from generate_series(1, 10050)",
      );
      const { resources } = await visibleTo(client, grant.id, { samples: 0 });
      expect(resources.find(({ resource }) => resource === "tasks")).toMatchObject({
        rows: 10_000,
        rowsOfSubject: 10_000,
        more: true,
        samples: [],
      });
    });
  });
});

describe("whoever asks", () => {
  const ADMIN = [
    "federation.explain(gen_random_uuid(), 'tasks')",
    "federation.visible(gen_random_uuid())",
    "federation.explain_as_administrator(gen_random_uuid(), 'tasks', null, null, 1, null)",
    "federation.read_as_caller('tasks', 'x')",
  ];
  const SUBJECT = [
    "federation.explain_for_user('olga', gen_random_uuid(), 'tasks')",
    "federation.visible_for_user('olga', gen_random_uuid())",
  ];
  const NOBODY = [
    "federation.probe('user', gen_random_uuid(), null, 'user list', 'tasks')",
    "federation.enter_stand_in('olga', 'home.example', '{}')",
    "federation.list_as_peer('tasks', null, 1)",
    "federation.get_as_peer('tasks', 'x')",
    "federation.count_as_peer('tasks', 1)",
    "federation.keys_as_peer('tasks', 1)",
    "federation.policies_as_peer('tasks', '{}', null)",
    "federation.list_as_user('tasks', null, 1)",
    "federation.count_as_user('tasks', 1)",
    "federation.read_as_user('tasks', '{}')",
  ];

  test("as a peer or as a local user is refused every function behind an explanation, and learns the status code only", async () => {
    await database.transaction(async (client) => {
      for (const call of [...ADMIN, ...SUBJECT, ...NOBODY]) {
        const query = (): Promise<unknown> => client.query(`select ${call}`);
        expect(await refusal(asPeer(client, grant, query)), call).toBe(DENIED);
        expect(await refusal(asUser(client, "olga", query)), call).toBe(DENIED);
      }
      // There is something to learn: an administrator is told.
      expect(await explain(client, grant.id, "tasks", { id: otherTeam })).toMatchObject({
        refused: "MF011",
        decidedBy: "team",
      });
      expect(await refusal(asPeer(client, grant, () => get(client, "tasks", otherTeam)))).toBe("NOT_FOUND");
      expect(await refusal(asPeer(client, grant, () => get(client, "tasks", NOBODYS)))).toBe("NOT_FOUND");
    });
  });

  test("is an administrator, or the gateway on behalf of a subject, and each by their own function", async () => {
    await database.transaction(async (client) => {
      for (const role of ["federation_admin", "federation_gateway", "federation_worker"]) {
        for (const call of [...ADMIN, ...SUBJECT, ...NOBODY]) {
          const allowed =
            (role === "federation_admin" && ADMIN.includes(call)) ||
            (role === "federation_gateway" && SUBJECT.includes(call));
          const calling = asLogin(client, role, () => client.query(`select ${call}`));
          // No such grant; or, of what reads as the caller, nothing.
          const outcome = await calling.then(
            () => "NOT_FOUND",
            () => refusal(calling),
          );
          expect(outcome, `${role}: ${call}`).toBe(allowed ? "NOT_FOUND" : DENIED);
        }
      }
    });
  });

  test("as the subject is told of the own grants, and of another's as of none", async () => {
    await database.transaction(async (client) => {
      expect(await explainFor(client, "olga", grant.id, "tasks", { id: own })).toMatchObject({ decidedBy: null });
      expect(await explainFor(client, "olga", grant.id, "tasks", { id: otherTeam })).toMatchObject({
        decidedBy: "team",
        rows: [{ exists: true, native: true }],
      });
      for (const [user, id] of [
        ["mia", grant.id],
        ["olga", NOBODYS],
      ] as const) {
        expect(await refusal(explainFor(client, user, id, "tasks"))).toBe("NOT_FOUND");
        const seeing = asRole(client, "federation_gateway", () =>
          client.query("select federation.visible_for_user($1, $2)", [user, id]),
        );
        expect(await refusal(seeing)).toBe("NOT_FOUND");
      }
    });
  });

  test("as an administrator is in the audit log; as the subject, who sees these rows anyway, is not", async () => {
    await database.transaction(async (client) => {
      const { rows: before } = await client.query("select from federation.federation_audit_log");
      await explain(client, grant.id, "tasks", { id: own });
      await visibleTo(client, grant.id);
      await explainFor(client, "olga", grant.id, "tasks", { id: own });
      const { rows } = await client.query(
        `select verb, grant_id, subject_user_id, resource, outcome, code, row_count, actor, chain
         from federation.federation_audit_log order by id offset $1`,
        [before.length],
      );
      const common = {
        grant_id: grant.id,
        subject_user_id: "olga",
        outcome: "served",
        code: "OK",
        actor: "postgres",
        chain: "admin",
      };
      expect(rows).toEqual([
        { ...common, verb: "grant.explained", resource: "tasks", row_count: 1 },
        { ...common, verb: "grant.viewed", resource: null, row_count: 2 },
      ]);
      const trail = await asUser(client, "olga", () =>
        client.query("select verb from home_api.audit_rows where verb like 'grant.%ed' order by id desc limit 2"),
      );
      expect(trail.rows).toEqual([{ verb: "grant.viewed" }, { verb: "grant.explained" }]);
    });
  });

  test("is answered by nothing that has come to run as another role than a peer's or a user's", async () => {
    for (const [given, owner] of [
      ["list_as_peer(text, jsonb, integer)", "federation_owner"],
      ["get_as_peer(text, text)", "postgres"],
      ["policies_as_peer(text, text[], name[])", "postgres"],
      ["list_as_user(text, jsonb, integer)", "postgres"],
      ["read_as_user(text, text[])", "federation_owner"],
    ] as const) {
      await database.transaction(async (client) => {
        await client.query(`alter function federation.${given} owner to ${owner}`);
        await client.query(`grant execute on function federation.${given} to federation_owner`);
        expect(await refusal(explain(client, grant.id, "tasks", { id: own })), given).toBe(DENIED);
      });
    }
    for (const given of ["count_as_peer(text, integer)", "count_as_user(text, integer)"]) {
      await database.transaction(async (client) => {
        await client.query(`alter function federation.${given} owner to postgres`);
        await client.query(`grant execute on function federation.${given} to federation_owner`);
        expect(await refusal(visibleTo(client, grant.id)), given).toBe(DENIED);
      });
    }
  });

  test("runs no code of the owner of a table while planning; a table of their own they read", async () => {
    await database.transaction(async (client) => {
      await client.query(`
        create role eve;
        create schema eves authorization eve;
        create table eves.ran (who text);
        grant usage on schema eves to public;
        grant all on eves.ran to public;
        alter table app.tasks owner to eve;
        grant usage, create on schema app to eve;
        set local role eve;
        create function eves.note() returns text language plpgsql volatile as $$
          begin
            if not current_setting('transaction_read_only')::boolean then insert into eves.ran values (current_user); end if;
            return '';
          end $$;
        create function eves.of_check(text) returns text language plpgsql immutable as $$ begin return eves.note() || $1; end $$;
        reset role`);
      const { rows: me } = await client.query<{ who: string }>("select current_user::text as who");
      const askers = async (): Promise<(string | null)[]> =>
        (await client.query<{ who: string }>("select distinct who from eves.ran")).rows.map(({ who }) => who);
      const held = async (): Promise<unknown> =>
        (await client.query<{ held: unknown }>("select federation.read_as_caller('tasks', $1) as held", [own])).rows[0]
          ?.held;
      // A constant part is worked out while a query is planned, each time: nothing of it is kept, as it is of an index.
      await client.query(`
        set local role eve;
        alter table app.tasks add check (eves.of_check('constant') || title is not null);
        reset role;
        set local constraint_exclusion to on`);
      const plannedBy = async (query: () => Promise<unknown>): Promise<(string | null)[]> => {
        await client.query("delete from eves.ran");
        await query();
        return askers();
      };
      const directly = (): Promise<unknown> => client.query("select from app.tasks where id = $1", [own]);
      expect(await plannedBy(directly)).toContain(only(me).who);
      expect(
        await plannedBy(async () => {
          expect(await held()).toBeNull();
        }),
      ).not.toContain(only(me).who);
      const explaining = (): Promise<unknown> => explain(client, grant.id, "tasks", { id: own }, only(me).who);
      expect(await plannedBy(explaining)).not.toContain(only(me).who);
      expect(await explaining()).toMatchObject({ decidedBy: null });
      await client.query("alter table app.tasks owner to current_user");
      expect(await held()).toEqual({ known: null, images: [expect.stringContaining(own)] });
    });
  });

  test("finds their session, settings and grants as they were", async () => {
    await database.transaction(async (client) => {
      const state = async (): Promise<unknown> =>
        only(
          (
            await client.query(`
              select current_setting('federation.session', true) as session, current_setting('app.user_id', true) as signed_in,
                current_setting('search_path') as search_path, current_setting('transaction_read_only') as read_only,
                current_setting('row_security') as row_security, current_user::text as role,
                (select jsonb_agg(g order by g.id) from federation.federation_grants g) as grants,
                (select count(*) from federation.federation_certificates) as certificates`)
          ).rows,
        );
      await client.query("select set_config('app.user_id', 'mia', true), federation.enter_as_user('mia')");
      const before = await state();
      await explain(client, grant.id, "tasks", { id: own }, "postgres");
      await explain(client, grant.id, "tasks", { filter: {} });
      await visibleTo(client, grant.id);
      expect(await state()).toEqual(before);
    });
  });
});
