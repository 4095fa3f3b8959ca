import { FederationError } from "../errors.ts";
import { SUPPORTED_MAJORS } from "../database/supported.ts";
import type { Queryable } from "./session.ts";
import { NOT_OF_EXTENSION, OWN_SCHEMA } from "./tables.ts";

/** What a target is, as far as a move needs to know. */
export interface TargetFacts {
  database: string;
  major: number;
  administrator: string;
  collation: string;
}

// What is in a new database belongs to PostgreSQL or to an extension; what does not, somebody made.
const FOUND = `
  select 'schema ' || n.nspname as found from pg_catalog.pg_namespace n
  where ${OWN_SCHEMA("n.nspname")} and n.nspname <> 'public' and ${NOT_OF_EXTENSION("pg_catalog.pg_namespace", "n.oid")}
  union all
  select 'relation public.' || c.relname from pg_catalog.pg_class c
  where c.relnamespace = to_regnamespace('public') and ${NOT_OF_EXTENSION("pg_catalog.pg_class", "c.oid")}
  union all
  select 'function public.' || p.proname from pg_catalog.pg_proc p
  where p.pronamespace = to_regnamespace('public') and ${NOT_OF_EXTENSION("pg_catalog.pg_proc", "p.oid")}
  union all
  select 'type public.' || t.typname from pg_catalog.pg_type t
  where t.typnamespace = to_regnamespace('public') and t.typrelid = 0 and t.typelem = 0 and ${NOT_OF_EXTENSION("pg_catalog.pg_type", "t.oid")}
  union all
  select 'event trigger ' || t.evtname from pg_catalog.pg_event_trigger t where ${NOT_OF_EXTENSION("pg_catalog.pg_event_trigger", "t.oid")}
  union all
  select 'publication ' || p.pubname from pg_catalog.pg_publication p
  union all
  select 'foreign server ' || s.srvname from pg_catalog.pg_foreign_server s
  union all
  select 'large object ' || m.oid from pg_catalog.pg_largeobject_metadata m`;

const SHOWN = 5;

/**
 * Looks whether a database can take a move: its version, encoding and rights, and that nobody made anything in it. Extensions may be
 * there, because some can be made by a superuser only.
 *
 * @throws FederationError CONFIG_INVALID, CONFLICT naming what is there
 */
export async function examineTarget(target: Queryable): Promise<TargetFacts> {
  const { rows } = await target.query<
    TargetFacts & { encoding: string; mayCreate: boolean; mayCreateRoles: boolean; readOnly: boolean }
  >(`
    select d.datname as database, current_setting('server_version_num')::integer / 10000 as major, current_user::text as administrator,
      d.datcollate as collation, pg_encoding_to_char(d.encoding) as encoding, has_database_privilege(d.oid, 'create') as "mayCreate",
      (select r.rolsuper or r.rolcreaterole from pg_catalog.pg_roles r where r.rolname = current_user) as "mayCreateRoles",
      pg_is_in_recovery() as "readOnly"
    from pg_catalog.pg_database d where d.datname = current_database()`);
  const facts = rows[0];
  if (facts === undefined) {
    throw new FederationError("CONFIG_INVALID", "the target does not say what it is");
  }
  const { database, major, administrator, collation } = facts;
  const { from, to } = SUPPORTED_MAJORS;
  const faults = [
    ...(major < from || major > to ? [`it is PostgreSQL ${major}; a gateway runs on ${from} to ${to}`] : []),
    ...(facts.encoding === "UTF8" ? [] : [`its encoding is ${facts.encoding}; it must be UTF8`]),
    ...(facts.mayCreate ? [] : [`${administrator} may not create schemas in it`]),
    ...(facts.mayCreateRoles ? [] : [`${administrator} may not create roles`]),
    ...(facts.readOnly ? ["it is a standby, which takes no writes"] : []),
  ];
  if (faults.length > 0) {
    throw new FederationError("CONFIG_INVALID", `the database ${database} cannot be the target: ${faults.join("; ")}`);
  }
  const { rows: found } = await target.query<{ found: string }>(`${FOUND} order by 1 limit ${SHOWN + 1}`);
  if (found.length > 0) {
    const names = found.slice(0, SHOWN).map((row) => row.found);
    throw new FederationError(
      "CONFLICT",
      `the database ${database} is not empty: it holds ${names.join(", ")}${found.length > SHOWN ? " and more" : ""}`,
    );
  }
  return { database, major, administrator, collation };
}
