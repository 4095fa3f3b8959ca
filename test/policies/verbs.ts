import type { PoolClient } from "pg";
import { fromDatabaseError } from "../../src/database/errors.ts";
import type { ErrorCode } from "../../src/errors.ts";

/** What `federation_api.list` returns. */
export interface Page {
  rows: Record<string, unknown>[];
  nextCursor: string | null;
  capped: boolean;
}

/** Arguments of `federation_api.list` beside the resource. */
export interface ListArguments {
  filter?: unknown;
  order?: unknown;
  first?: number | null;
  after?: string | null;
}

/** One page, as whoever the transaction is. */
export async function list(client: PoolClient, resource: string, options: ListArguments = {}): Promise<Page> {
  const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));
  const { rows } = await client.query<{ page: Page }>("select federation_api.list($1, $2, $3, $4, $5) as page", [
    resource,
    json(options.filter),
    json(options.order),
    options.first ?? null,
    options.after ?? null,
  ]);
  return only(rows).page;
}

/** All pages, one after the other, as whoever the transaction is. */
export async function listAll(
  client: PoolClient,
  resource: string,
  options: ListArguments = {},
): Promise<Page["rows"]> {
  const all: Page["rows"] = [];
  let after: string | null = null;
  do {
    const page: Page = await list(client, resource, { ...options, after });
    all.push(...page.rows);
    after = page.nextCursor;
  } while (after !== null);
  return all;
}

/** One row by its key, as whoever the transaction is. */
export async function get(client: PoolClient, resource: string, id: string): Promise<Record<string, unknown>> {
  const { rows } = await client.query<{ row: Record<string, unknown> }>("select federation_api.get($1, $2) as row", [
    resource,
    id,
  ]);
  return only(rows).row;
}

/** The ids that a plain select shows to whoever the transaction is, sorted. */
export async function visibleIds(client: PoolClient, resource: string): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>(`select id from app.${resource} order by id`);
  return rows.map(({ id }) => id);
}

/**
 * Why the database refused: our code, or the SQLSTATE where it is none of ours (42501 is insufficient privilege).
 *
 * @throws where nothing was refused, and whatever fault was not the database's
 */
export async function refusal(attempt: Promise<unknown>): Promise<ErrorCode | (string & {})> {
  try {
    await attempt;
  } catch (error) {
    return codeOf(error);
  }
  throw new Error("nothing was refused");
}

/** Our code of a database error, or its SQLSTATE where it is none of ours. @throws any other error */
export function codeOf(error: unknown): ErrorCode | (string & {}) {
  const { code } = fromDatabaseError(error);
  if (code !== "INTERNAL") {
    return code;
  }
  const sqlstate = error instanceof Error && "code" in error ? error.code : undefined;
  if (typeof sqlstate !== "string" || !/^[0-9A-Z]{5}$/.test(sqlstate)) {
    throw error;
  }
  return sqlstate;
}

/** The only row of a result. @throws where there is another number of rows */
export function only<T>(rows: readonly T[]): T {
  const [row] = rows;
  if (row === undefined || rows.length > 1) {
    throw new Error(`${rows.length} rows instead of one`);
  }
  return row;
}
