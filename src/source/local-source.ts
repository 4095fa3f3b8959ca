import type { QueryResult, QueryResultRow } from "pg";
import type { Sessions } from "../database/session.ts";
import type { Asked } from "./asked.ts";
import type { HitPage, QuerySource, Row, RowPage } from "./query-source.ts";

/** The most rows that a local user gets in one page; the same as the ceiling of a grant. */
const LOCAL_CAP = 10_000;

/** The own database, as the user, under native rights only. */
export function createLocalSource(
  sessions: Sessions,
  { userId, deadline }: Pick<Asked, "userId" | "deadline">,
): QuerySource {
  const asUser = <R extends QueryResultRow>(text: string, values: unknown[] = []): Promise<QueryResult<R>> =>
    sessions.asUser(
      userId,
      { text: `select a.* from federation.require_user_session() cross join (${text}) as a`, values },
      deadline,
    );
  return {
    name: "local",
    list: async ({ resource, filter, order, first, after }) => {
      const { rows } = await asUser<{ page: RowPage }>("select federation.list_rows($1, $2, $3, $4, $5, $6) as page", [
        resource,
        filter === undefined ? null : JSON.stringify(filter),
        order === undefined ? null : JSON.stringify(order),
        first,
        after,
        LOCAL_CAP,
      ]);
      return rows[0]?.page ?? { rows: [], nextCursor: null, capped: false };
    },
    get: async ({ resource, id }) => {
      const { rows } = await asUser<{ found: Row }>("select federation.get_row($1, $2) as found", [resource, id]);
      return rows[0]?.found ?? {};
    },
    search: async ({ query, resources, first, after, mode, vector }) => {
      const { rows } = await asUser<{ page: HitPage }>(
        "select federation.search_rows($1, federation.require_searchable($2), $3, $4, $5, $6, $7) as page",
        [query, resources, first, after, mode, vector, LOCAL_CAP],
      );
      return rows[0]?.page ?? { hits: [], nextCursor: null, capped: false };
    },
    capabilities: async () => {
      const { rows } = await asUser<{ name: string; key_column: string; columns: unknown }>(
        "select name, key_column, columns from federation.resource_catalogue()",
      );
      return { resources: rows.map(({ name, key_column, columns }) => ({ name, key: key_column, columns })) };
    },
  };
}
