import type { PoolClient } from "pg";
import type { PgClient } from "postgraphile/@dataplan/pg";

/**
 * A client as PostGraphile wants it, over one that is already in its transaction. Statements are never prepared by name: on the
 * embedded database the names of all clients meet in one backend.
 */
export function pgClientOf(client: PoolClient): PgClient {
  const adapted: PgClient = {
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the parameter is PgClient's
    query: async <TData>(query: { text: string; values?: unknown[]; arrayMode?: boolean }) => {
      const { text, values = [], arrayMode } = query;
      const result = arrayMode
        ? await client.query({ text, values, rowMode: "array" })
        : await client.query({ text, values });
      return { rows: result.rows as TData[], rowCount: result.rowCount };
    },
    withTransaction: (work) => work(adapted),
  };
  return adapted;
}
