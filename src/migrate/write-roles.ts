import { escapeIdentifier, escapeLiteral } from "pg";
import { FederationError } from "../errors.ts";
import { readRoles } from "./roles.ts";
import type { Membership, Role, Roles, RoleSetting } from "./roles.ts";
import type { Queryable } from "./session.ts";

/**
 * Makes roles that the target's cluster does not have, and uses those that it has, if they may do no more than the source's. Roles
 * are the cluster's, and another database may use them.
 *
 * @param owners roles that will own objects: an administrator who is no superuser becomes a member of them
 * @returns the roles that were made, and what the administrator should know
 * @throws FederationError CONFLICT where a role of that name is another one, MOVE_FAILED with the target's words
 */
export async function writeRoles(
  target: Queryable,
  source: Roles,
  owners: readonly string[],
): Promise<{ made: string[]; notes: string[] }> {
  const there = await readRoles(target, "target");
  const existing = new Map(there.roles.map((role) => [role.name, role]));
  const made = source.roles.filter(({ name }) => !existing.has(name));
  const used = source.roles.filter(({ name }) => existing.has(name));
  for (const role of used) {
    requireNoMore(role, existing.get(role.name) ?? role);
  }
  for (const role of made) {
    await run(target, role.name, createStatement(role));
    if (role.comment !== null) {
      await run(target, role.name, `comment on role ${escapeIdentifier(role.name)} is ${escapeLiteral(role.comment)}`);
    }
  }
  const { rows: facts } = await target.query<{ major: number; superuser: boolean }>(
    "select current_setting('server_version_num')::integer / 10000 as major, rolsuper as superuser from pg_catalog.pg_roles where rolname = current_user",
  );
  const { major, superuser } = facts[0] ?? { major: 0, superuser: false };
  if (!superuser) {
    for (const owner of owners) {
      await run(target, owner, `grant ${escapeIdentifier(owner)} to current_user`);
    }
  }
  const members = new Map(there.memberships.map((one) => [JSON.stringify([one.role, one.member]), one]));
  for (const membership of source.memberships) {
    const same = members.get(JSON.stringify([membership.role, membership.member]));
    if (same === undefined || (membership.admin && !same.admin)) {
      await run(target, membership.member, membershipStatement(membership, major));
    }
  }
  const settings = new Set(there.settings.map((setting) => JSON.stringify(setting)));
  for (const setting of source.settings.filter((one) => !settings.has(JSON.stringify(one)))) {
    await writeSetting(target, setting);
  }
  const quieted = made.filter((role) => role.superuser).map(({ name }) => name);
  return {
    made: made.map(({ name }) => name),
    notes: [
      ...(used.length === 0
        ? []
        : [`roles that were there already are used as they are: ${used.map(({ name }) => name).join(", ")}`]),
      ...(quieted.length === 0 ? [] : [`roles were made without SUPERUSER, which they had: ${quieted.join(", ")}`]),
    ],
  };
}

function requireNoMore(role: Role, there: Role): void {
  if (
    there.superuser ||
    there.inherit !== role.inherit ||
    there.attributes.some((attribute) => !role.attributes.includes(attribute))
  ) {
    const rights = [
      ...(there.superuser ? ["superuser"] : []),
      ...there.attributes,
      there.inherit ? "inherit" : "noinherit",
    ];
    throw new FederationError(
      "CONFLICT",
      `the target's cluster has another role ${role.name} (${rights.join(", ")}); rename one of them, or make their attributes the same`,
    );
  }
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
  await run(target, role ?? "every role", `alter ${whose} set ${quoted.join(".")} from current`);
  await target.query("select set_config($1, $2, true)", [name, rows[0]?.before ?? ""]);
}

async function run(target: Queryable, role: string, statement: string): Promise<void> {
  try {
    await target.query(statement);
  } catch (cause) {
    throw new FederationError(
      "MOVE_FAILED",
      `the target refuses role ${role}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
