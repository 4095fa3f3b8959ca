create function federation.for_everybody() returns integer language sql stable set search_path = '' as 'select 1';
