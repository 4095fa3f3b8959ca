create function federation.without_a_reason() returns integer language sql stable security definer set search_path = '' as 'select 1';
