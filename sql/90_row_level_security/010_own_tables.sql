-- Guarantees: every table of the federation has row-level security, forced; only federation_owner, and so only the functions it owns, has a way in.
do $$
declare
  own_table record;
begin
  for own_table in
    select c.oid::regclass as id, c.relname
    from pg_class c
    where c.relnamespace = 'federation'::regnamespace and c.relkind in ('r', 'p')
    order by c.relname
  loop
    execute format('alter table %s enable row level security', own_table.id);
    execute format('alter table %s force row level security', own_table.id);
    execute format('drop policy if exists %I on %s', own_table.relname || '_native', own_table.id);
    execute format(
      'create policy %I on %s as permissive for all to federation_owner using (true) with check (true)', own_table.relname || '_native', own_table.id
    );
    execute format(
      'comment on policy %I on %s is %L', own_table.relname || '_native', own_table.id,
      'The functions of federation_owner are the only way in; no other role has a policy or a privilege.'
    );
    execute format('revoke all on %s from public', own_table.id);
  end loop;
end;
$$;
