import type { PoolClient } from "pg";
import type { PgClient } from "postgraphile/@dataplan/pg";

/**
 * A client as PostGraphile wants it, over one that is already in its transaction.
 *
 * @param options.keepsStatements whether statements are prepared by name; on the embedded database the names of all clients would meet in one backend
 */
export function pgClientOf(client: PoolClient, options: { keepsStatements?: boolean } = {}): PgClient {
  const adapted: PgClient = {
    // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the parameter is PgClient's
    query: async <TData>(query: { text: string; values?: unknown[]; arrayMode?: boolean; name?: string }) => {
      const { text, values = [], arrayMode, name } = query;
      const statement = { text, values, ...(options.keepsStatements === true && name !== undefined ? { name } : {}) };
      const result = arrayMode
        ? await client.query({ ...statement, rowMode: "array" })
        : await client.query(statement);
      return { rows: result.rows as TData[], rowCount: result.rowCount };
    },
    withTransaction: (work) => work(adapted),
  };
  return adapted;
}
