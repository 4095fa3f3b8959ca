import { onDatabase } from "../world/gateway.ts";

/** What PostgreSQL is started with so that it counts what statements take. */
export const COUNTING = {
  shared_preload_libraries: "pg_stat_statements",
  "pg_stat_statements.track_planning": "on",
  "pg_stat_statements.track_utility": "on",
};

/** What one statement took in PostgreSQL, ms of all its calls. */
export interface StatementTime {
  text: string;
  calls: number;
  ms: number;
}

/** Counts from now on. */
export async function startCounting(databaseUrl: string): Promise<void> {
  await onDatabase(databaseUrl, async (client) => {
    await client.query("create extension if not exists pg_stat_statements");
    await client.query("select pg_stat_statements_reset()");
  });
}

/** What was counted in a database since then, the costliest first; the bench's own left out. */
export async function readCounted(databaseUrl: string): Promise<StatementTime[]> {
  return onDatabase(databaseUrl, async (client) => {
    const { rows } = await client.query<StatementTime>(
      `select left(regexp_replace(s.query, '\\s+', ' ', 'g'), 90) as text, sum(s.calls)::float8 as calls,
         sum(s.total_exec_time + s.total_plan_time)::float8 as ms
       from pg_stat_statements s
       where s.dbid = (select d.oid from pg_database d where d.datname = current_database())
         and s.userid <> (select r.oid from pg_roles r where r.rolname = current_user)
       group by 1 order by ms desc`,
    );
    return rows;
  });
}
