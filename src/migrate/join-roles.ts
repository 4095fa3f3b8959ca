import { escapeIdentifier } from "pg";
import type { Queryable } from "./session.ts";

/**
 * Makes an administrator who is no superuser a member of roles for as long as it takes, so that objects can be given to them.
 *
 * @returns leaves those that the administrator was not in by its own grant before
 */
export async function joinRoles(target: Queryable, roles: readonly string[]): Promise<() => Promise<void>> {
  const { rows } = await target.query<{ role: string }>(
    `select r.rolname as role
     from pg_catalog.pg_roles r
     where r.rolname = any ($1)
       and not (select u.rolsuper from pg_catalog.pg_roles u where u.rolname = current_user)
       and not exists (
         select from pg_catalog.pg_auth_members m
         where m.roleid = r.oid and m.member = current_user::regrole and m.grantor = current_user::regrole
       )`,
    [roles],
  );
  for (const { role } of rows) {
    await target.query(`grant ${escapeIdentifier(role)} to current_user`);
  }
  return async () => {
    for (const { role } of rows) {
      await target.query(`revoke ${escapeIdentifier(role)} from current_user`);
    }
  };
}
