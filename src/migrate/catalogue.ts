import type { Queryable } from "./session.ts";
import { NOT_OF_EXTENSION, OWN_SCHEMA } from "./tables.ts";

/** What each object of a kind is, by name, as text that is the same in both databases. */
export type Catalogue = Record<string, Map<string, string>>;

// The administrator of one database stands for that of the other.
const ROLE = (oid: string): string =>
  `(case ${oid} when 0 then 'public' else (select case who.rolname when current_user then '(administrator)' else who.rolname end from pg_catalog.pg_roles who where who.oid = ${oid}) end)`;

// Who may do what, however the list is written down. MAINTAIN is PostgreSQL 17's; owners have it by themselves.
const PRIVILEGES = (acl: string, kind: string, owner: string): string => `(
  select string_agg(format('%s:%s%s', ${ROLE("x.grantee")}, x.privilege_type, case when x.is_grantable then '*' end), ' '
    order by ${ROLE("x.grantee")} collate "C", x.privilege_type)
  from aclexplode(coalesce(${acl}, acldefault('${kind}', ${owner}))) x where x.privilege_type <> 'MAINTAIN'
)`;

const OF_OWN_SCHEMA = `join pg_catalog.pg_namespace n on n.oid = c.relnamespace and ${OWN_SCHEMA("n.nspname")}
  and ${NOT_OF_EXTENSION("pg_catalog.pg_class", "c.oid")} and c.relpersistence <> 't'`;

// Each yields (name, what). Names are qualified, because the search path is empty.
const STATEMENTS: Record<string, string> = {
  schemas: `
    select n.nspname as name, concat_ws(' ', ${ROLE("n.nspowner")}, ${PRIVILEGES("n.nspacl", "n", "n.nspowner")}) as what
    from pg_catalog.pg_namespace n
    where ${OWN_SCHEMA("n.nspname")} and n.nspname <> 'public' and ${NOT_OF_EXTENSION("pg_catalog.pg_namespace", "n.oid")}`,
  relations: `
    select c.oid::regclass::text as name, concat_ws(' ', c.relkind, c.relpersistence, ${ROLE("c.relowner")}, c.reloptions::text,
      case when c.relrowsecurity then 'row-security' end, case when c.relforcerowsecurity then 'forced' end, pg_get_expr(c.relpartbound, c.oid),
      ${PRIVILEGES("c.relacl", "r", "c.relowner")}) as what
    from pg_catalog.pg_class c ${OF_OWN_SCHEMA} where c.relkind in ('r', 'p', 'v', 'm', 'f')`,
  sequences: `
    select c.oid::regclass::text as name, concat_ws(' ', ${ROLE("c.relowner")}, s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache,
      s.seqcycle, ${PRIVILEGES("c.relacl", "s", "c.relowner")}) as what
    from pg_catalog.pg_class c ${OF_OWN_SCHEMA} join pg_catalog.pg_sequence s on s.seqrelid = c.oid`,
  // That a partition's column is an identity follows from its parent, and is written down from PostgreSQL 17 on.
  columns: `
    select c.oid::regclass || '.' || quote_ident(a.attname) as name, concat_ws(' ', format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
      case when not c.relispartition then 'identity ' || nullif(a.attidentity::text, '') end, 'generated ' || nullif(a.attgenerated::text, ''), pg_get_expr(d.adbin, d.adrelid),
      nullif(a.attcollation, t.typcollation)::regcollation,
      case when a.attacl is not null then ${PRIVILEGES("a.attacl", "c", "c.relowner")} end) as what
    from pg_catalog.pg_class c ${OF_OWN_SCHEMA}
    join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_catalog.pg_type t on t.oid = a.atttypid
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')`,
  constraints: `
    select c.oid::regclass || ' ' || quote_ident(k.conname) as name, concat_ws(' ', pg_get_constraintdef(k.oid), k.convalidated) as what
    from pg_catalog.pg_class c ${OF_OWN_SCHEMA} join pg_catalog.pg_constraint k on k.conrelid = c.oid
    where k.contype in ('c', 'f', 'p', 'u', 'x')`,
  indexes: `
    select c.oid::regclass::text as name, pg_get_indexdef(c.oid) as what
    from pg_catalog.pg_class c ${OF_OWN_SCHEMA} where c.relkind in ('i', 'I')`,
  triggers: `
    select c.oid::regclass || ' ' || quote_ident(t.tgname) as name, concat_ws(' ', pg_get_triggerdef(t.oid), t.tgenabled) as what
    from pg_catalog.pg_class c ${OF_OWN_SCHEMA} join pg_catalog.pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal`,
  policies: `
    select c.oid::regclass || ' ' || quote_ident(p.polname) as name, concat_ws(' ', case when p.polpermissive then 'permissive' else 'restrictive' end, p.polcmd,
      (select string_agg(${ROLE("r.id")}, ',' order by ${ROLE("r.id")} collate "C") from unnest(p.polroles) as r (id)),
      'using ' || pg_get_expr(p.polqual, p.polrelid), 'check ' || pg_get_expr(p.polwithcheck, p.polrelid)) as what
    from pg_catalog.pg_class c ${OF_OWN_SCHEMA} join pg_catalog.pg_policy p on p.polrelid = c.oid`,
  functions: `
    select f.oid::regprocedure::text as name, concat_ws(' ', ${ROLE("f.proowner")}, f.prokind, pg_get_function_result(f.oid), pg_get_function_arguments(f.oid), l.lanname,
      f.provolatile, f.proparallel, f.proisstrict, f.prosecdef, f.proleakproof, f.proretset, f.procost, f.prorows, f.proconfig::text,
      encode(sha256(convert_to(coalesce(pg_get_function_sqlbody(f.oid), f.prosrc), 'UTF8')), 'hex'), ${PRIVILEGES("f.proacl", "f", "f.proowner")}) as what
    from pg_catalog.pg_proc f
    join pg_catalog.pg_namespace n on n.oid = f.pronamespace and ${OWN_SCHEMA("n.nspname")} and ${NOT_OF_EXTENSION("pg_catalog.pg_proc", "f.oid")}
    join pg_catalog.pg_language l on l.oid = f.prolang
    where not exists (select from pg_catalog.pg_depend i where i.classid = 'pg_catalog.pg_proc'::regclass and i.objid = f.oid and i.deptype = 'i')`,
  // A range's own functions and its multirange come with it; who owns them depends on the version.
  types: `
    select t.oid::regtype::text as name, concat_ws(' ', t.typtype, ${ROLE("t.typowner")}, nullif(t.typbasetype, 0)::regtype, t.typnotnull, t.typdefault,
      (select string_agg(quote_literal(e.enumlabel), ',' order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = t.oid),
      (select string_agg(pg_get_constraintdef(k.oid), ' ' order by k.conname) from pg_catalog.pg_constraint k where k.contypid = t.oid and k.contype = 'c'),
      ${PRIVILEGES("t.typacl", "T", "t.typowner")}) as what
    from pg_catalog.pg_type t
    join pg_catalog.pg_namespace n on n.oid = t.typnamespace and ${OWN_SCHEMA("n.nspname")} and ${NOT_OF_EXTENSION("pg_catalog.pg_type", "t.oid")}
    where t.typtype in ('d', 'e', 'r', 'c') and (t.typrelid = 0 or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))`,
  "default privileges": `
    select concat_ws(' ', ${ROLE("d.defaclrole")}, n.nspname, d.defaclobjtype) as name, coalesce(
      (select string_agg(format('%s:%s', ${ROLE("x.grantee")}, x.privilege_type), ' ' order by ${ROLE("x.grantee")} collate "C", x.privilege_type)
       from aclexplode(d.defaclacl) x where x.privilege_type <> 'MAINTAIN'), 'none') as what
    from pg_catalog.pg_default_acl d left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace`,
  extensions: `select e.extname::text as name, '' as what from pg_catalog.pg_extension e`,
  comments: `
    select i.type || ' ' || i.identity as name, d.description as what
    from pg_catalog.pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i
    where d.objoid >= 16384
      and not exists (select from pg_catalog.pg_depend e where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e')
      and d.classoid <> 'pg_catalog.pg_extension'::regclass`,
};

/** Reads what is in a database besides rows; the search path is empty. */
export async function readCatalogue(client: Queryable): Promise<Catalogue> {
  const catalogue: Catalogue = {};
  for (const [kind, statement] of Object.entries(STATEMENTS)) {
    const { rows } = await client.query<{ name: string; what: string }>(statement);
    catalogue[kind] = new Map(rows.map(({ name, what }) => [name, what]));
  }
  return catalogue;
}

/**
 * What the target does not have as the source has it.
 *
 * @param sameMajor whether both are of one major version: two may write the same expression with other brackets and qualifiers
 */
export function differences(source: Catalogue, target: Catalogue, sameMajor: boolean): string[] {
  const comparable = sameMajor ? (text: string) => text : loosely;
  return Object.entries(source).flatMap(([kind, objects]) => {
    const arrived = target[kind] ?? new Map<string, string>();
    return [...objects].flatMap(([name, what]) => {
      const there = arrived.get(name);
      if (there === undefined) {
        return [`${kind}: ${name} is missing`];
      }
      return comparable(there) === comparable(what) ? [] : [`${kind}: ${name} is "${there}" where it was "${what}"`];
    });
  });
}

function loosely(text: string): string {
  return text.replace(/[()"]/g, "").replace(/\w+\./g, "").replace(/\s/g, "");
}
