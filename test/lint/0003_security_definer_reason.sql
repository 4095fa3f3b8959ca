-- Every SECURITY DEFINER function says why, beside the words, in the file that makes it. The files' functions that do are in the
-- setting lint.reasons, as a JSON list of names.
select p.oid::regprocedure::text as found
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
where n.nspname in ('federation', 'federation_api', 'home_api', 'app')
  and p.prosecdef
  and not current_setting('lint.reasons')::jsonb ? (n.nspname || '.' || p.proname);
