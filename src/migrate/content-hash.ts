import { PRIVILEGES_BY_NAME, PRIVILEGES_TABLE } from "./object-ids.ts";
import type { Queryable } from "./session.ts";

/** How many rows a table holds, and a hash of them that does not depend on their order. */
export interface Content {
  rows: number;
  /** Two sums of 64-bit hashes of each row as text, with different seeds. */
  hash: string;
}

/**
 * The content of a table as this transaction sees it. The hash is made in the server, over each whole row (generated columns too) as
 * text; the "C" collation makes it one of bytes.
 *
 * @param table qualified and quoted
 */
export async function contentOf(client: Queryable, table: string): Promise<Content> {
  // A name with a space, in case a column has the name of the table.
  const lines =
    table === PRIVILEGES_TABLE
      ? PRIVILEGES_BY_NAME
      : `select ("whole row".*)::text as line from only ${table} "whole row"`;
  const { rows } = await client.query<{ rows: string; first: string; second: string }>(`
    select count(*)::text as rows, coalesce(sum(hashtextextended(l.line, 0)), 0)::text as first, coalesce(sum(hashtextextended(l.line, 1)), 0)::text as second
    from (select t.line collate "C" as line from (${lines}) t offset 0) l`);
  const row = rows[0];
  return { rows: Number(row?.rows), hash: `${row?.first}:${row?.second}` };
}
