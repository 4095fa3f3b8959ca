import type { QueryResult, QueryResultRow } from "pg";
import type { PgClient } from "postgraphile/@dataplan/pg";
import type { Statement } from "../database/round-trip.ts";

/**
 * A client as PostGraphile wants it, each of whose statements is a transaction of its own.
 *
 * @param send runs a statement in a session
 */
export function pgClientOf(
  send: <R extends QueryResultRow>(statement: Statement) => Promise<QueryResult<R>>,
): PgClient {
  const adapted: PgClient = {
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the parameter is PgClient's
    query: async <TData>(query: { text: string; values?: unknown[]; arrayMode?: boolean }) => {
      const { text, values = [], arrayMode } = query;
      const result = await send({
        text,
        values,
        ...(arrayMode === true ? { rowMode: "array" } : {}),
      });
      return { rows: result.rows as TData[], rowCount: result.rowCount };
    },
    withTransaction: (work) => work(adapted),
  };
  return adapted;
}
