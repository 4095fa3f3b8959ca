import type { Queryable } from "./session.ts";

/** A role other than the administrator that made the cluster, and PostgreSQL's own. */
export interface Role {
  name: string;
  superuser: boolean;
  inherit: boolean;
  attributes: string[];
  connectionLimit: number;
  /** A verifier; only the source's are read. */
  password: string | null;
  validUntil: string | null;
  comment: string | null;
}

/** That one role is a member of another. */
export interface Membership {
  role: string;
  member: string;
  admin: boolean;
  /** From PostgreSQL 16 on a membership has these; true before. */
  inherit: boolean;
  set: boolean;
}

/** A setting that a role's sessions begin with. */
export interface RoleSetting {
  /** Null: of every role in the database. */
  role: string | null;
  inDatabase: boolean;
  name: string;
  value: string;
}

/** Roles with their memberships and settings. */
export interface Roles {
  roles: Role[];
  memberships: Membership[];
  settings: RoleSetting[];
}

// Of the superuser that made the cluster (PostgreSQL source, pg_authid.dat).
const BOOTSTRAP = 10;

/** Reads the roles of a cluster; as a superuser on the source, who may see passwords. */
export async function readRoles(client: Queryable, side: "source" | "target"): Promise<Roles> {
  const password = side === "source" ? "r.rolpassword" : "null";
  const roles = await client.query<Role>(`
    select r.rolname as name, r.rolsuper as superuser, r.rolinherit as inherit, array_remove(array[
        case when r.rolcanlogin then 'login' end, case when r.rolcreaterole then 'createrole' end, case when r.rolcreatedb then 'createdb' end,
        case when r.rolreplication then 'replication' end, case when r.rolbypassrls then 'bypassrls' end
      ], null) as attributes,
      r.rolconnlimit as "connectionLimit", r.rolvaliduntil::text as "validUntil", shobj_description(r.oid, 'pg_authid') as comment,
      ${password} as password
    from pg_catalog.${side === "source" ? "pg_authid" : "pg_roles"} r
    where r.oid <> ${BOOTSTRAP} and r.rolname !~ '^pg_' order by r.rolname collate "C"`);
  const memberships = await client.query<Membership>(`
    select g.rolname as role, r.rolname as member, bool_or(m.admin_option) as admin,
      bool_or(coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true)) as inherit, bool_or(coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)) as set
    from pg_catalog.pg_auth_members m
    join pg_catalog.pg_roles g on g.oid = m.roleid
    join pg_catalog.pg_roles r on r.oid = m.member
    where m.member <> ${BOOTSTRAP} and m.roleid <> ${BOOTSTRAP} and r.rolname !~ '^pg_'
    group by 1, 2 order by g.rolname collate "C", r.rolname collate "C"`);
  const settings = await client.query<RoleSetting>(`
    select r.rolname as role, s.setdatabase <> 0 as "inDatabase", split_part(c, '=', 1) as name, substr(c, strpos(c, '=') + 1) as value
    from pg_catalog.pg_db_role_setting s
    left join pg_catalog.pg_roles r on r.oid = s.setrole
    cross join unnest(s.setconfig) as c
    where s.setrole <> ${BOOTSTRAP} and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d where d.datname = current_database()))`);
  return { roles: roles.rows, memberships: memberships.rows, settings: settings.rows };
}
