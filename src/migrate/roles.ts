import { escapeIdentifier, escapeLiteral } from "pg";
import { FederationError } from "../errors.ts";
import type { Queryable } from "./session.ts";

/** A role of the source, other than the embedded database's administrator and PostgreSQL's own. */
interface Role {
  name: string;
  superuser: boolean;
  inherit: boolean;
  attributes: string[];
  connectionLimit: number;
  password: string | null;
  validUntil: string | null;
  comment: string | null;
}

interface Membership {
  role: string;
  member: string;
  admin: boolean;
  inherit: boolean;
  set: boolean;
}

interface RoleSetting {
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

const ROLES = `
  select r.rolname as name, r.rolsuper as superuser, r.rolinherit as inherit, array_remove(array[
      case when r.rolcanlogin then 'login' end, case when r.rolcreaterole then 'createrole' end, case when r.rolcreatedb then 'createdb' end,
      case when r.rolreplication then 'replication' end, case when r.rolbypassrls then 'bypassrls' end
    ], null) as attributes,
    r.rolconnlimit as "connectionLimit", r.rolvaliduntil::text as "validUntil", shobj_description(r.oid, 'pg_authid') as comment`;

/** Reads roles as a superuser, passwords (their verifiers) included. */
export async function readRoles(source: Queryable): Promise<Roles> {
  const roles = await source.query<Role>(`
    ${ROLES}, r.rolpassword as password
    from pg_catalog.pg_authid r where r.oid <> ${BOOTSTRAP} and r.rolname !~ '^pg_' order by r.rolname collate "C"`);
  const memberships = await source.query<Membership>(`
    select g.rolname as role, r.rolname as member, bool_or(m.admin_option) as admin, bool_or(m.inherit_option) as inherit, bool_or(m.set_option) as set
    from pg_catalog.pg_auth_members m
    join pg_catalog.pg_roles g on g.oid = m.roleid
    join pg_catalog.pg_roles r on r.oid = m.member
    where m.member <> ${BOOTSTRAP} and m.roleid <> ${BOOTSTRAP} and r.rolname !~ '^pg_'
    group by 1, 2 order by g.rolname collate "C", r.rolname collate "C"`);
  const settings = await source.query<RoleSetting>(`
    select r.rolname as role, s.setdatabase <> 0 as "inDatabase", split_part(c, '=', 1) as name, substr(c, strpos(c, '=') + 1) as value
    from pg_catalog.pg_db_role_setting s
    left join pg_catalog.pg_roles r on r.oid = s.setrole
    cross join unnest(s.setconfig) as c
    where s.setrole <> ${BOOTSTRAP} and s.setdatabase in (0, (select d.oid from pg_catalog.pg_database d where d.datname = current_database()))`);
  return { roles: roles.rows, memberships: memberships.rows, settings: settings.rows };
}

/**
 * Makes roles that the target's cluster does not have, and uses those that it has, if they may do no more than the source's.
 *
 * @param owners roles that will own objects: an administrator who is no superuser becomes a member of them
 * @returns the roles that were made, and what the administrator should know
 * @throws FederationError CONFLICT where a role of that name is another one
 */
export async function writeRoles(
  target: Queryable,
  { roles, memberships, settings }: Roles,
  owners: readonly string[],
): Promise<{ made: string[]; notes: string[] }> {
  const { rows: there } = await target.query<Omit<Role, "password">>(
    `${ROLES} from pg_catalog.pg_roles r where r.rolname = any ($1::text[])`,
    [roles.map(({ name }) => name)],
  );
  const existing = new Map(there.map((role) => [role.name, role]));
  const made: string[] = [];
  const notes: string[] = [];
  for (const role of roles) {
    const same = existing.get(role.name);
    if (same === undefined) {
      await target.query(createStatement(role));
      if (role.comment !== null) {
        await target.query(`comment on role ${escapeIdentifier(role.name)} is ${escapeLiteral(role.comment)}`);
      }
      made.push(role.name);
      if (role.superuser) {
        notes.push(`role ${role.name} was made without SUPERUSER, which it had`);
      }
    } else if (
      same.superuser ||
      same.inherit !== role.inherit ||
      same.attributes.some((attribute) => !role.attributes.includes(attribute))
    ) {
      throw new FederationError(
        "CONFLICT",
        `the target has a role ${role.name} with other rights (${["superuser"].filter(() => same.superuser).concat(same.attributes, same.inherit ? "inherit" : "noinherit").join(", ")}); rename it or take them away`,
      );
    } else {
      notes.push(`role ${role.name} was there already and is used as it is`);
    }
  }
  const { rows: facts } = await target.query<{ major: number; superuser: boolean }>(
    "select current_setting('server_version_num')::integer / 10000 as major, rolsuper as superuser from pg_catalog.pg_roles where rolname = current_user",
  );
  const { major, superuser } = facts[0] ?? { major: 0, superuser: false };
  if (!superuser) {
    for (const owner of owners) {
      await target.query(`grant ${escapeIdentifier(owner)} to current_user`);
    }
  }
  for (const membership of memberships) {
    await target.query(membershipStatement(membership, major));
  }
  for (const setting of settings) {
    await writeSetting(target, setting);
  }
  return { made, notes };
}

function createStatement(role: Role): string {
  return [
    `create role ${escapeIdentifier(role.name)} ${role.inherit ? "inherit" : "noinherit"}`,
    ...role.attributes,
    ...(role.connectionLimit === -1 ? [] : [`connection limit ${role.connectionLimit}`]),
    ...(role.password === null ? [] : [`password ${escapeLiteral(role.password)}`]),
    ...(role.validUntil === null ? [] : [`valid until ${escapeLiteral(role.validUntil)}`]),
  ].join(" ");
}

/** Options of a membership are PostgreSQL 16's; before it, whether a member inherits is the member's own attribute. */
function membershipStatement({ role, member, admin, inherit, set }: Membership, major: number): string {
  const statement = `grant ${escapeIdentifier(role)} to ${escapeIdentifier(member)}`;
  if (major < 16) {
    return admin ? `${statement} with admin option` : statement;
  }
  return `${statement} with admin ${admin}, inherit ${inherit}, set ${set}`;
}

async function writeSetting(target: Queryable, { role, inDatabase, name, value }: RoleSetting): Promise<void> {
  const { rows } = await target.query<{ before: string | null; database: string }>(
    "select current_setting($1, true) as before, current_database() as database",
    [name],
  );
  const database = escapeIdentifier(rows[0]?.database ?? "");
  const whose =
    role === null
      ? `database ${database}`
      : `role ${escapeIdentifier(role)}${inDatabase ? ` in database ${database}` : ""}`;
  // "from current" takes lists (of schemas, for example) as they are, where a literal would be one name.
  await target.query("select set_config($1, $2, true)", [name, value]);
  const quoted = name.split(".").map((part) => escapeIdentifier(part));
  await target.query(`alter ${whose} set ${quoted.join(".")} from current`);
  await target.query("select set_config($1, $2, true)", [name, rows[0]?.before ?? ""]);
}
