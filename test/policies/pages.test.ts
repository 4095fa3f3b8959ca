import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { asRole, inSavepoint } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { administrator, asked, openPagesWorld, SCOPE, signIn } from "./pages.ts";
import type { Session } from "./pages.ts";
import { only, refusal } from "./verbs.ts";

const NOBODYS = "00000000-0000-4000-8000-0000000000ff";

interface ShownGrant {
  id: string;
  subject: string;
}

let database: TestDatabase;
let ada: Session, olga: Session, mia: Session;
let olgas: Grant, mias: Grant;

beforeAll(async () => {
  database = await openTestDatabase();
  ({ ada, olga, mia, olgas, mias } = await openPagesWorld(database));
});
afterAll(() => database.close());

describe("who is signed in sees", () => {
  test("as an administrator every grant and peer, as a user those that are theirs", async () => {
    await database.transaction(async (client) => {
      const grants = async (session: Session): Promise<string[]> =>
        (await asked<ShownGrant[]>(client, session, "grants()")).map(({ subject }) => subject).sort();
      const peers = async (session: Session): Promise<string[]> =>
        (await asked<{ user: string }[]>(client, session, "peers()")).map(({ user }) => user).sort();
      expect(await grants(ada)).toEqual(["mia", "olga"]);
      expect(await grants(olga)).toEqual(["olga"]);
      expect(await peers(ada)).toEqual(["mia", "olga"]);
      expect(await peers(mia)).toEqual(["mia"]);
      expect(await asked<ShownGrant[]>(client, ada, "grants(search => 'MIA')")).toHaveLength(1);
      expect(await asked<ShownGrant[]>(client, ada, "grants(status => 'revoked')")).toEqual([]);
      expect(await asked(client, olga, '"grant"($1)', [mias.id])).toBeNull();
      expect(await asked<ShownGrant>(client, ada, '"grant"($1)', [mias.id])).toMatchObject({ subject: "mia" });
    });
  });

  test("as a user no table, owner or team of a resource, nor how many grants of others name it", async () => {
    await database.transaction(async (client) => {
      const tasks = async (session: Session): Promise<Record<string, unknown> | undefined> =>
        (await asked<Record<string, unknown>[]>(client, session, "resources()")).find(({ name }) => name === "tasks");
      expect(await tasks(ada)).toMatchObject({ table: "app.tasks", owner: "owner_id", liveGrants: 2 });
      const shown = await tasks(olga);
      expect(shown).toMatchObject({ keyColumn: "id", liveGrants: 1 });
      for (const key of ["table", "owner", "team", "hiddenColumns"]) {
        expect(shown).not.toHaveProperty(key);
      }
    });
  });

  test("as a user how the gateway does, without the versions and names of what it stands on", async () => {
    await database.transaction(async (client) => {
      const services = async (session: Session): Promise<Record<string, unknown>[]> =>
        (await asked<{ services: Record<string, unknown>[] }>(client, session, "overview()")).services;
      expect(JSON.stringify(await services(ada))).toContain("PostgreSQL ");
      const shown = await services(olga);
      expect(shown).toContainEqual({ name: "database", state: "ok" });
      expect(shown.filter((service) => "detail" in service)).toEqual([]);
    });
  });

  test("as nobody nothing, in a transaction that no session was opened in", async () => {
    await database.transaction(async (client) => {
      for (const call of [
        "me()",
        "grants()",
        "peers()",
        "audit()",
        "resources()",
        "overview()",
        `revoke_grant('${NOBODYS}', 'x')`,
      ]) {
        expect(
          await refusal(asRole(client, "federation_pages", () => client.query(`select admin_api.${call}`))),
          call,
        ).toBe("UNAUTHENTICATED");
      }
    });
  });

  test("nothing by the setting of another transaction, nor by one that was made up", async () => {
    const client = await database.pool.connect();
    try {
      await client.query("begin");
      await client.query("set local role federation_gateway");
      await client.query("select federation.enter_as_person($1)", [ada]);
      const { rows } = await client.query<{ setting: string }>(
        "select current_setting('federation.session') as setting",
      );
      await client.query("commit");
      for (const setting of [
        only(rows).setting,
        JSON.stringify({ kind: "person", name: "ada", administrator: true }),
      ]) {
        await client.query("begin");
        await client.query("select set_config('federation.session', $1, true)", [setting]);
        await client.query("set local role federation_pages");
        expect(await refusal(client.query("select admin_api.grants()"))).toBe("UNAUTHENTICATED");
        await client.query("rollback");
      }
    } finally {
      client.release();
    }
  });
});

describe("a session", () => {
  test("of a token that is unknown, revoked or of a user who is gone does not begin", async () => {
    await database.transaction(async (client) => {
      const begin = (token: string): Promise<unknown> =>
        asRole(client, "federation_gateway", () =>
          client.query("select federation.sign_in_by_token(sha256('x'), $1)", [token]),
        );
      const { rows } = await client.query<{ token: string; token_id: string }>(
        "select * from federation.create_user_token('mia')",
      );
      const { token, token_id: tokenId } = only(rows);
      await client.query("select federation.revoke_user_token($1)", [tokenId]);
      expect(await refusal(begin(token))).toBe("UNAUTHENTICATED");
      expect(await refusal(begin("mosaic_admin_nothing"))).toBe("UNAUTHENTICATED");
      const { rows: fresh } = await client.query<{ token: string }>(
        "select token from federation.create_user_token('mia')",
      );
      await client.query(
        "delete from app.tasks; delete from app.memberships where user_id = 'mia'; delete from app.users where id = 'mia'",
      );
      expect(await refusal(begin(only(fresh).token))).toBe("UNAUTHENTICATED");
      expect(await refusal(asked(client, mia, "me()"))).toBe("UNAUTHENTICATED");
    });
  });

  test("is opened by the word of a provider through administrators only: the login that serves requests becomes nobody by it", async () => {
    await database.transaction(async (client) => {
      await client.query("select federation.add_administrator('eve', 'https://provider.example', 'subject-of-eve')");
      const call = "select federation.sign_in_by_oidc(sha256('x'), 'https://provider.example', 'subject-of-eve', null)";
      expect(await refusal(asRole(client, "federation_gateway", () => client.query(call)))).toBe("42501");
      await asRole(client, "federation_admin", () => client.query(call));
      const { rows } = await client.query<{ n: number }>(
        "select count(*)::int as n from federation.federation_browser_sessions where signed_in_by = 'oidc'",
      );
      expect(only(rows).n).toBe(1);
    });
  });

  test("ends when an administrator ends those of a name, which is in the audit log", async () => {
    await database.transaction(async (client) => {
      const end = (name: string): Promise<unknown> =>
        asRole(client, "federation_admin", async () => {
          await client.query("select set_config('federation.session', '', true)");
          await client.query("select federation.end_browser_sessions($1)", [name]);
        });
      await end("olga");
      expect(await refusal(asked(client, olga, "me()"))).toBe("UNAUTHENTICATED");
      expect(await asked(client, mia, "me()")).toMatchObject({ name: "mia" });
      await end("ada");
      expect(await refusal(asked(client, ada, "me()"))).toBe("UNAUTHENTICATED");
      expect(await refusal(end("ada"))).toBe("NOT_FOUND");
      const { rows } = await client.query<{ details: unknown }>(
        "select details from federation.list_audit(limit_rows => 10) where verb = 'pages.sessions_ended'",
      );
      expect(rows.map(({ details }) => details)).toEqual([
        { name: "ada", sessions: 1 },
        { name: "olga", sessions: 1 },
      ]);
    });
  });

  test("of an administrator ends with them; another of the same name is another, and what stays is the audit log", async () => {
    await database.transaction(async (client) => {
      await client.query("select federation.remove_administrator('ada')");
      expect(await refusal(asked(client, ada, "me()"))).toBe("UNAUTHENTICATED");
      await client.query("select federation.add_administrator('ada')");
      expect(await refusal(asked(client, ada, "me()"))).toBe("UNAUTHENTICATED");
      expect(await refusal(client.query("select federation.add_administrator('ada')"))).toBe("CONFLICT");
    });
  });

  test("that has ended is forgotten when the next begins", async () => {
    await database.transaction(async (client) => {
      await client.query(
        "update federation.federation_browser_sessions set last_seen_at = now() - interval '31 minutes'",
      );
      await administrator(client, "next");
      const { rows } = await client.query<{ n: string }>(
        "select count(*) as n from federation.federation_browser_sessions",
      );
      expect(only(rows).n).toBe("1");
    });
  });

  test("is kept as a hash of 32 bytes, of one person and no other", async () => {
    await database.transaction(async (client) => {
      const insert = (values: string): Promise<unknown> =>
        asRole(client, "federation_owner", () =>
          client.query(
            `insert into federation.federation_browser_sessions (session_hash, administrator_id, user_id, signed_in_by, expires_at) values (${values}, now())`,
          ),
        );
      const id = "(select id from federation.federation_administrators where name = 'ada')";
      for (const values of [
        `'short', ${id}, null, 'token'`,
        `sha256('x'), ${id}, 'olga', 'oidc'`,
        "sha256('x'), null, null, 'oidc'",
        "sha256('x'), null, 'olga', 'token'",
      ]) {
        expect(await refusal(insert(values)), values).toBe("23514");
      }
      await insert("sha256('x'), null, 'olga', 'oidc'");
    });
  });
});

describe("what a person changes", () => {
  test("is in the audit log under their name, and what a login changes under the login's", async () => {
    await database.transaction(async (client) => {
      // A transaction is of one person; here are several, one after the other.
      await client.query("set constraints all immediate");
      const made = await asked<{ grant: ShownGrant; enrollmentUrl: unknown }>(
        client,
        ada,
        "create_grant('olga', 'h', $1)",
        [JSON.stringify(SCOPE)],
      );
      const { id } = made.grant;
      await asked(client, ada, "create_enrollment_url($1)", [id]);
      await asked(client, olga, "revoke_grant($1, ' enough ')", [id]);
      await client.query("select set_config('federation.session', '', true)");
      await client.query("select federation.update_grant($1, $2)", [
        olgas.id,
        JSON.stringify({ resources: ["notes"] }),
      ]);
      const { rows } = await client.query<{ verb: string; actor: string; by: string | null }>(
        "select verb, actor, details ->> 'as' as by from federation.list_audit(limit_rows => 1000) where grant_id in ($1, $2) order by id desc limit 4",
        [id, olgas.id],
      );
      expect(rows.map(({ verb, by }) => [verb, by])).toEqual(
        expect.arrayContaining([
          ["grant.changed", "user"],
          ["grant.enrollment_url_made", "administrator"],
        ]),
      );
      const { rows: login } = await client.query<{ name: string }>("select session_user::text as name");
      expect(rows).toContainEqual({ verb: "grant.changed", actor: only(login).name, by: null });
      expect(await asked(client, ada, '"grant"($1)', [id])).toMatchObject({
        status: "revoked",
        endReason: "enough",
        createdBy: "ada",
      });
    });
  });

  test("needs a reason to revoke, and a grant that is theirs", async () => {
    await database.transaction(async (client) => {
      expect(await refusal(asked(client, olga, "revoke_grant($1, '  ')", [olgas.id]))).toBe("BAD_REQUEST");
      expect(await refusal(asked(client, olga, "revoke_grant($1, 'x')", [mias.id]))).toBe("NOT_FOUND");
      expect(await refusal(asked(client, olga, "revoke_grant($1, 'x')", [NOBODYS]))).toBe("NOT_FOUND");
      await asked(client, ada, "revoke_grant($1, 'x')", [mias.id]);
    });
  });

  test("of peers is of their own", async () => {
    await database.transaction(async (client) => {
      const [peer] = await asked<{ id: string }[]>(client, olga, "peers()");
      for (const call of ["remove_peer($1)", "request_renewal($1)", "peer($1)"]) {
        expect(await refusal(asked(client, mia, call, [peer?.id])), call).toBe("NOT_FOUND");
      }
      await asked(client, olga, "request_renewal($1)", [peer?.id]);
      expect(await asked(client, olga, "remove_peer($1)", [peer?.id])).toBe(peer?.id);
      expect(await asked(client, olga, "peers()")).toEqual([]);
    });
  });
});

describe("functions for administrators", () => {
  test("refuse every user, before they look at what was asked for", async () => {
    await database.transaction(async (client) => {
      const { rows } = await client.query<{ call: string }>(
        `select format('%I(%s)', p.proname, (
           select string_agg('null::' || format_type(t.id, null), ', ' order by t.n) from unnest(p.proargtypes) with ordinality as t (id, n)
         )) as call
         from pg_proc p
         where p.pronamespace = 'admin_api'::regnamespace and has_function_privilege('federation_pages', p.oid, 'execute')`,
      );
      const refused: string[] = [];
      for (const { call } of rows) {
        const code = await refusal(asked(client, olga, call)).catch(() => "answered");
        if (code === "ADMINISTRATORS_ONLY") {
          refused.push(call.replace(/\(.*/, ""));
        }
      }
      expect(refused.sort()).toEqual([
        "add_administrator",
        "administrators",
        "alerts",
        "audit_verification",
        "candidate_tables",
        "choices",
        "create_enrollment_url",
        "create_grant",
        "preview_grant",
        "preview_scope",
        "remove_administrator",
        "resume_grant",
        "suspend_grant",
        "update_scope",
      ]);
    });
  });

  test("offer users and teams to choose from, and tables that are not registered", async () => {
    await database.transaction(async (client) => {
      expect(await asked(client, ada, "choices('o')")).toMatchObject({ users: ["olga"], teams: [] });
      expect(await asked(client, ada, "choices()")).toMatchObject({
        users: ["mia", "olga"],
        teams: ["t1", "t2", "t3"],
      });
      const tables = await asked<{ table: string; keyColumns: string[] }[]>(client, ada, "candidate_tables()");
      expect(tables.find(({ table }) => table === "app.teams")).toMatchObject({ keyColumns: ["id"] });
      expect(tables.map(({ table }) => table)).not.toContain("app.tasks");
      expect(tables.filter(({ table }) => table.startsWith("federation"))).toEqual([]);
    });
  });

  test("register no table that is not offered", async () => {
    await database.transaction(async (client) => {
      await client.query("create schema if not exists graphile_migrate");
      await client.query("create table graphile_migrate.of_a_test (id int primary key, owner text)");
      await client.query("create table app.of_a_test (id int primary key, owner text)");
      await client.query("select federation.enter_as_person($1)", [ada]);
      const register = (table: string): Promise<unknown> =>
        client.query("select admin_api.register_resource('of_a_test', $1, 'owner')", [table]);
      for (const table of ["graphile_migrate.of_a_test", "federation.federation_peers", "pg_catalog.pg_authid"]) {
        expect(await refusal(inSavepoint(client, () => register(table), "rollback")), table).toBe("RESOURCE_INVALID");
      }
      await register("app.of_a_test");
    });
  });

  test("add an administrator by a token that signs in once it was told, and remove others, not themselves", async () => {
    await database.transaction(async (client) => {
      const added = await asked<{ token: string; administrator: Record<string, unknown> }>(
        client,
        ada,
        "add_administrator('grace')",
      );
      expect(added.administrator).toMatchObject({ name: "grace", hasToken: true, createdBy: "ada" });
      expect(JSON.stringify(await asked(client, ada, "administrators()"))).not.toContain(added.token);
      const grace = await signIn(client, added.token);
      expect(await asked(client, grace, "me()")).toMatchObject({ name: "grace", isAdministrator: true });
      expect(await refusal(asked(client, ada, "add_administrator('grace')"))).toBe("CONFLICT");
      expect(await refusal(asked(client, ada, "add_administrator('a name')"))).toBe("BAD_REQUEST");
      expect(await refusal(asked(client, ada, "remove_administrator('ada')"))).toBe("CONFLICT");
      expect(await refusal(asked(client, ada, "remove_administrator('nobody')"))).toBe("NOT_FOUND");
      expect(await asked(client, ada, "remove_administrator('grace')")).toBe("grace");
      expect(await refusal(asked(client, grace, "me()"))).toBe("UNAUTHENTICATED");
    });
  });
});
