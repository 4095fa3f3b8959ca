-- Guarantees: the functions that ask as a peer or as a local user run as these roles, and federation_owner alone may call them.
-- Relies on: the login that applies this, which may make itself a member of these roles; it is one for the length of this file.
reset role;
do $$
declare
  becoming record;
  given regprocedure;
  joined boolean;
begin
  for becoming in
    select *
    from (values
      ('federation_peer'::name, array['list_as_peer', 'get_as_peer', 'count_as_peer', 'keys_as_peer', 'policies_as_peer']),
      ('federation_user', array['list_as_user', 'count_as_user', 'read_as_user'])
    ) as v (role_name, functions)
  loop
    -- Who gives a function away must be able to become the new owner, who must be able to create in its schema (documentation of ALTER FUNCTION).
    joined := false;
    if not (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user) then
      joined := not exists (
        select from pg_catalog.pg_auth_members m
        where m.roleid = becoming.role_name::regrole and m.member = current_user::regrole and m.grantor = current_user::regrole
      );
      execute format('grant %I to %I', becoming.role_name, current_user);
    end if;
    execute format('grant create on schema federation to %I', becoming.role_name);
    for given in
      select p.oid from pg_catalog.pg_proc p where p.pronamespace = 'federation'::regnamespace and p.proname = any (becoming.functions)
    loop
      execute format('alter function %s owner to %I', given, becoming.role_name);
      execute format('grant execute on function %s to federation_owner', given);
      execute format('revoke all on function %s from %I', given, becoming.role_name);
    end loop;
    execute format('revoke create on schema federation from %I', becoming.role_name);
    if joined then
      execute format('revoke %I from %I', becoming.role_name, current_user);
    end if;
  end loop;
end;
$$;
set local role federation_owner;
