import { onDatabase } from "../world/gateway.ts";

// The four statements of a request that is written by hand: begin, the session's settings, the query, commit. The role they run as has the application's
// own policy (owner or team) and a restrictive one by the teams in scope, which stands for a grant's.

/** The role that peers log in as. */
export const READER = "bench_reader";
/** The role that another PostgreSQL logs in as, by its certificate. */
export const FOREIGN_READER = "bench_foreign";

/** Lets a database be read without a gateway, under the same policies. */
export async function prepareReaders(databaseUrl: string): Promise<void> {
  await onDatabase(databaseUrl, (client) => client.query(READER_SQL));
}

/** The connection string of a peer to a database, given a superuser's. */
export function readerUrl(databaseUrl: string): string {
  return Object.assign(new URL(databaseUrl), { username: READER, password: READER }).href;
}

/** What the words of a row are, in SQL: an index of them would not be used, for `@@` might tell of rows that the policies hide. */
const WORDS = "to_tsvector('english', title || ' ' || coalesce(body, ''))";

const READER_SQL = `
  drop policy if exists bench_scope on app.tasks;
  do $$ begin create role ${READER} login password '${READER}'; exception when duplicate_object then null; end $$;
  do $$ begin create role ${FOREIGN_READER} login in role ${READER}; exception when duplicate_object then null; end $$;
  grant usage on schema app to ${READER};
  grant select on app.tasks to ${READER};
  create or replace function app.search_tasks(query text) returns setof app.tasks language sql stable as $$
    select t.* from app.tasks t, websearch_to_tsquery('english', query) q where ${WORDS} @@ q order by ts_rank_cd(${WORDS}, q, 1) desc, id
  $$;
  create policy bench_scope on app.tasks as restrictive for select to ${READER}
  using (
    case
      when team_id is null then true
      else team_id = any ((select string_to_array(current_setting('bench.teams', true), ','))::text[])
    end
  )`;

const COLUMNS = "id, title, body, status, priority, due_on, owner_id, team_id, project_id, created_at";

/** Of each statement its parameters, in their order. */
export const STATEMENTS = {
  begin: "begin read only",
  /** subject, teams with commas between them */
  session: "select set_config('app.user_id', $1, true), set_config('bench.teams', $2, true)",
  /** rows */
  list: `select ${COLUMNS} from app.tasks order by created_at, id limit $1`,
  /** rows, created_at, id */
  listAfter: `select ${COLUMNS} from app.tasks where (created_at, id) > ($2, $3) order by created_at, id limit $1`,
  /** id */
  get: `select ${COLUMNS} from app.tasks where id = $1`,
  /** words, rows */
  search: `select ${COLUMNS}, ts_rank_cd(${WORDS}, q, 1) as rank, ts_headline('english', coalesce(body, ''), q) as snippet
    from app.tasks, websearch_to_tsquery('english', $1) q where ${WORDS} @@ q order by rank desc, id limit $2`,
  commit: "commit",
} as const;
