import type { ClientBase } from "pg";

/** Everything the catalogue says of some tables and of what stands around them, by names instead of ids. */
export type Snapshot = Record<string, unknown>;

const ACL = (acl: string, kind: string, owner: string): string => `(
  select jsonb_agg(to_jsonb(g) order by g::text)
  from (
    select x.grantee::regrole::text as grantee, x.privilege_type as privilege, x.is_grantable as grantable
    from aclexplode(coalesce(${acl}, acldefault('${kind}', ${owner}))) x
  ) g
)`;

/**
 * The catalogue's account of tables or views: row-level security, policies, triggers, constraints, indexes, privileges of the relation, its
 * columns and its schema; of every function outside of the system schemas; and of who is a member of the roles named.
 */
export async function snapshot(
  client: Pick<ClientBase, "query">,
  relations: string[],
  roles: string[],
): Promise<Snapshot> {
  const { rows } = await client.query<{ snapshot: Snapshot }>(
    `
    select jsonb_build_object(
      'relations', (
        select jsonb_agg(jsonb_build_object(
          'name', c.oid::regclass::text, 'owner', c.relowner::regrole::text, 'kind', c.relkind,
          'row_security', c.relrowsecurity, 'forced', c.relforcerowsecurity, 'comment', obj_description(c.oid, 'pg_class'),
          'options', c.reloptions,
          'privileges', ${ACL("c.relacl", "r", "c.relowner")},
          'columns', (
            select jsonb_agg(jsonb_build_object(
              'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'not_null', a.attnotnull,
              'privileges', ${ACL("a.attacl", "c", "c.relowner")}
            ) order by a.attnum)
            from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          ),
          'policies', (
            select jsonb_agg(to_jsonb(p) || jsonb_build_object('comment', (
              select obj_description(o.oid, 'pg_policy') from pg_policy o where o.polrelid = c.oid and o.polname = p.policyname
            )) order by p.policyname)
            from pg_policies p where p.schemaname = c.relnamespace::regnamespace::text and p.tablename = c.relname
          ),
          'triggers', (
            select jsonb_agg(pg_get_triggerdef(t.oid) order by t.tgname) from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal
          ),
          'constraints', (
            select jsonb_agg(k.conname || ' ' || pg_get_constraintdef(k.oid) order by k.conname) from pg_constraint k where k.conrelid = c.oid
          ),
          'indexes', (select jsonb_agg(pg_get_indexdef(i.indexrelid) order by i.indexrelid) from pg_index i where i.indrelid = c.oid)
        ) order by c.oid)
        from pg_class c where c.oid = any ($1::text[]::regclass[])
      ),
      'schemas', (
        select jsonb_agg(jsonb_build_object('name', n.nspname, 'privileges', ${ACL("n.nspacl", "n", "n.nspowner")}) order by n.nspname)
        from pg_namespace n
        where n.nspname not in ('information_schema', 'federation', 'federation_api', 'home_api') and n.nspname not like 'pg\\_%'
      ),
      'functions', (
        select jsonb_agg(jsonb_build_object(
          'name', p.oid::regprocedure::text, 'body', md5(p.prosrc), 'privileges', ${ACL("p.proacl", "f", "p.proowner")}
        ) order by p.oid::regprocedure::text)
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
      ),
      'members', (
        select jsonb_agg(format('%s in %s', m.member::regrole, m.roleid::regrole) order by m.member, m.roleid)
        from pg_auth_members m where m.roleid::regrole::text = any ($2)
      )
    ) as snapshot`,
    [relations, roles],
  );
  const [row] = rows;
  if (row === undefined) {
    throw new Error("no snapshot");
  }
  return row.snapshot;
}
