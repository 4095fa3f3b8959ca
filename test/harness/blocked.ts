import type { Pool, PoolClient } from "pg";
import { expect } from "vitest";

/** The backend of a connection, to be asked for before it is busy. */
export async function backendOf(client: PoolClient): Promise<number> {
  const { rows } = await client.query<{ pid: number }>("select pg_backend_pid() as pid");
  return rows[0]?.pid ?? 0;
}

/** Comes back once a backend waits for another transaction's lock. */
export async function untilBlocked(pool: Pool, pid: number): Promise<void> {
  await expect
    .poll(
      async () => {
        const { rows } = await pool.query<{ blocked: boolean }>(
          "select cardinality(pg_blocking_pids($1)) > 0 as blocked",
          [pid],
        );
        return rows[0]?.blocked;
      },
      { timeout: 20_000 },
    )
    .toBe(true);
}
