import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { asLogin, asRole } from "./actors.ts";
import { list, refusal, visibleIds } from "./verbs.ts";

const DENIED = "42501";
const ROLES = [
  "federation_peer",
  "federation_user",
  "federation_gateway",
  "federation_worker",
  "federation_admin",
  "federation_pages",
] as const;

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

async function names(client: PoolClient, query: string, values: unknown[] = []): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(query, values);
  return rows.map(({ name }) => name);
}

/** A role that was made for something else and has nothing but what PUBLIC has. */
async function newcomer(client: PoolClient): Promise<string> {
  await client.query("create role newcomer");
  return "newcomer";
}

describe("becoming another role", () => {
  test.each([
    ["federation_gateway", ["federation_peer", "federation_user", "federation_worker", "federation_pages"]],
    ["federation_peer", []],
    ["federation_user", []],
    ["federation_worker", []],
    ["federation_admin", []],
    ["federation_pages", []],
  ])("%s can become %j and no other", async (role, allowed) => {
    await database.transaction(async (client) => {
      const others = ["postgres", "federation_owner", "app_owner", ...ROLES].filter((other) => other !== role);
      for (const other of others) {
        const becoming = asLogin(client, role, () => client.query(`set local role ${other}`));
        if (allowed.includes(other)) {
          await becoming;
        } else {
          expect(await refusal(becoming), other).toBe(DENIED);
        }
      }
    });
  });

  test("a gateway that became a peer cannot become more from there", async () => {
    await database.transaction(async (client) => {
      for (const role of ["postgres", "federation_owner", "federation_admin", "app_owner"]) {
        const climbing = asLogin(client, "federation_gateway", async () => {
          await client.query("set local role federation_peer");
          await client.query(`set local role ${role}`);
        });
        expect(await refusal(climbing), role).toBe(DENIED);
      }
    });
  });

  test("no role of the federation is a superuser, above row-level security, or lets anyone make roles", async () => {
    await database.transaction(async (client) => {
      const roles = "select rolname as name from pg_roles where rolname like 'federation\\_%'";
      expect(await names(client, roles)).toHaveLength(7);
      expect(
        await names(
          client,
          `${roles} and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)`,
        ),
      ).toEqual([]);
    });
  });
});

describe("functions", () => {
  const FUNCTIONS = `
    select p.oid::regprocedure::text as name from pg_proc p
    where p.pronamespace in (
      'federation'::regnamespace, 'federation_api'::regnamespace, 'federation_prepared'::regnamespace, 'home_api'::regnamespace,
      'admin_api'::regnamespace
    )`;

  test("PUBLIC executes none, nor sees a schema of the federation", async () => {
    await database.transaction(async (client) => {
      const role = await newcomer(client);
      expect((await names(client, FUNCTIONS)).length).toBeGreaterThan(50);
      expect(await names(client, `${FUNCTIONS} and has_function_privilege($1, p.oid, 'execute')`, [role])).toEqual([]);
      for (const schema of ["federation", "federation_api", "federation_prepared", "home_api", "admin_api", "app"]) {
        const { rows } = await client.query("select has_schema_privilege($1, $2, 'usage') as allowed", [role, schema]);
        expect(rows, schema).toEqual([{ allowed: false }]);
      }
      expect(await refusal(asRole(client, role, () => list(client, "tasks")))).toBe(DENIED);
      expect(await refusal(asRole(client, role, () => visibleIds(client, "tasks")))).toBe(DENIED);
    });
  });

  test.each(["federation_peer", "federation_user"])(
    "%s executes none that writes, nor any that administrators are given",
    async (role) => {
      await database.transaction(async (client) => {
        const own = `${FUNCTIONS} and has_function_privilege($1, p.oid, 'execute')`;
        expect((await names(client, own, [role])).length).toBeGreaterThan(5);
        // These two write nothing: they see what was committed since the statement began.
        expect((await names(client, `${own} and p.provolatile = 'v'`, [role])).sort()).toEqual([
          "federation.describe_resource(text)",
          ...(role === "federation_peer" ? ["federation.readiness(text,text)"] : []),
        ]);
        // Registration asks these too; they read the catalogue of columns only.
        const shared = await names(client, `${own} and has_function_privilege('federation_admin', p.oid, 'execute')`, [
          role,
        ]);
        expect(shared.sort()).toEqual([
          "federation.describe_resource(text)",
          "federation.order_terms(text,jsonb)",
          "federation.resource_columns(text)",
        ]);
      });
    },
  );

  const CALLS: Record<string, readonly string[]> = {
    "federation.create_grant('olga', 'h', '{}')": ["federation_admin"],
    "federation.revoke_grant(gen_random_uuid())": ["federation_admin"],
    "federation.suspend_grant(gen_random_uuid())": ["federation_admin"],
    "federation.resume_grant(gen_random_uuid())": ["federation_admin"],
    "federation.list_grants()": ["federation_admin"],
    "federation.update_grant(gen_random_uuid(), '{}')": ["federation_admin"],
    "federation.explain(gen_random_uuid(), 'tasks')": ["federation_admin"],
    "federation.visible(gen_random_uuid())": ["federation_admin"],
    "federation.explain_for_user('olga', gen_random_uuid(), 'tasks')": ["federation_gateway"],
    "federation.visible_for_user('olga', gen_random_uuid())": ["federation_gateway"],
    "federation.holder_of_token('x')": ["federation_gateway"],
    "federation.probe('user', gen_random_uuid(), null, 'user list', 'tasks')": [],
    "federation.enter_stand_in('olga', 'home.example', '{}')": [],
    "federation.list_as_peer('tasks', null, 1)": [],
    "federation.list_as_user('tasks', null, 1)": [],
    "federation.create_enrollment_token(gen_random_uuid())": ["federation_admin"],
    "federation.expire_grants()": ["federation_worker", "federation_admin"],
    "federation.list_certificates()": ["federation_admin"],
    "federation.revoke_certificate('00')": ["federation_admin"],
    "federation.restore_revocations('[]')": ["federation_admin"],
    "federation.revocation_epoch()": ["federation_gateway", "federation_admin"],
    "federation.revoked_certificates()": ["federation_gateway"],
    "federation.register_resource('x', 'pg_class')": ["federation_admin"],
    "federation.unregister_resource('x')": ["federation_admin"],
    "federation.bind_identity('pg_class', 'x')": ["federation_admin"],
    "federation.list_audit()": ["federation_admin"],
    "federation.verify_audit()": ["federation_admin"],
    "federation.audit_heads()": ["federation_admin"],
    "federation.verify_chain('admin')": [],
    "federation.append_to_chain('admin', '{}')": [],
    "federation.list_peers()": ["federation_admin"],
    "federation.create_user_token('nobody')": ["federation_admin"],
    "federation.sealed_values()": ["federation_admin"],
    "federation.begin_enrollment('x')": ["federation_gateway"],
    "federation.redeem_enrollment_token('x')": ["federation_gateway"],
    "federation.record_certificate('x', null, 'x', now(), now())": ["federation_gateway"],
    "federation.enter_as_peer(gen_random_uuid(), 'olga', 'x', 'x')": ["federation_gateway"],
    "federation.enter_as_user('nobody')": ["federation_gateway"],
    "federation.begin_renewal(gen_random_uuid(), 'olga', 'x', 'x')": ["federation_gateway"],
    "federation.record_renewal(gen_random_uuid(), 'olga', 'x', 'x', 'x', 'x', now(), now())": ["federation_gateway"],
    "federation.confirm_certificate(gen_random_uuid(), 'olga', 'x', 'x')": ["federation_gateway"],
    "federation.supersede_certificates()": ["federation_worker", "federation_admin"],
    "federation.key_text('x'::text)": [],
    "federation.certificate_overlap()": ["federation_worker", "federation_admin"],
    "(select count(*) from federation.good_certificates)": [],
    "federation.scope_names('{}', 'x')": [],
    "federation.scope_most_rows('{}')": [],
    "federation.renewable_peers()": ["federation_worker", "federation_admin"],
    "federation.begin_peer_renewal(gen_random_uuid(), 'x', null)": ["federation_worker", "federation_admin"],
    "federation.end_peer_renewal(gen_random_uuid(), 'x')": ["federation_worker", "federation_admin"],
    "federation.resolve_renewal_alerts('x', 'x')": [],
    "federation.append_audit('[]')": ["federation_gateway"],
    "federation.list_authorities()": ["federation_gateway", "federation_admin"],
    "federation.add_administrator('x')": ["federation_admin"],
    "federation.list_administrators()": ["federation_admin"],
    "federation.remove_administrator('x')": ["federation_admin"],
    "federation.preview_scope(gen_random_uuid(), '{}')": ["federation_admin"],
    "federation.preview_grant('x', '{}')": ["federation_admin"],
    "federation.sign_in_by_token('x', 'x')": ["federation_gateway"],
    "federation.sign_in_by_oidc('x', 'x', 'x', null)": ["federation_admin"],
    "federation.end_browser_sessions('x')": ["federation_admin"],
    "federation.sign_out('x')": ["federation_gateway"],
    "federation.enter_as_person('x')": ["federation_gateway", "federation_admin"],
    "federation.keys_as_peer('tasks', 1)": [],
    "federation.current_person()": [],
    "federation.require_person()": [],
    "federation.shown_grants()": [],
    "federation.audit_person('x')": [],
    "federation.scope_widenings('{}', '{}')": [],
    "admin_api.me()": ["federation_pages"],
    "admin_api.grants()": ["federation_pages"],
    "admin_api.revoke_grant(gen_random_uuid(), 'x')": ["federation_pages"],
    "admin_api.add_administrator('x')": ["federation_pages"],
    "admin_api.remove_administrator('x')": ["federation_pages"],
    "admin_api.register_resource('x', 'app.teams')": ["federation_admin"],
    "federation_api.list('tasks')": ["federation_peer"],
    "federation_api.get('tasks', 'x')": ["federation_peer"],
    "federation_api.capabilities()": ["federation_peer"],
    "federation.peers_of_current_user()": ["federation_user"],
    "federation.grants_of_current_user()": ["federation_user"],
    "federation.mac('session', 'x')": [],
    "federation.open_session('{}')": [],
    "federation.current_session()": [],
    "(select count(*) from federation.session_grant)": [],
    "federation.end_grant(gen_random_uuid(), 'revoked', 'x')": [],
    "federation.revoke_lineage('00', 'unspecified', now())": [],
    "federation.send_notice('{}')": [],
    "federation.subject_key('olga')": [],
    "federation.random_token()": [],
  };
  test.each(Object.entries(CALLS))("%s is for %j", async (call, allowed) => {
    await database.transaction(async (client) => {
      for (const role of [...ROLES, await newcomer(client)]) {
        const outcome = await asRole(client, role, () => client.query(`select ${call}`), "rollback").then(
          () => "done",
          (error: unknown) => refusal(Promise.reject(error as Error)),
        );
        expect(outcome === DENIED, `${role}: ${outcome}`).toBe(!allowed.includes(role));
      }
    });
  });
});
