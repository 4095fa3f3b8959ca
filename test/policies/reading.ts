import type { Pool, PoolClient } from "pg";
import { backendOf, untilBlocked } from "../harness/blocked.ts";
import { enterAsPeer } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { codeOf } from "./verbs.ts";

/** What work sees as the peer, in a transaction of a connection that reads: committed, as a gateway's is. */
export async function readingAsPeer<T>(reading: PoolClient, grant: Grant, work: () => Promise<T>): Promise<T> {
  await reading.query("begin read only");
  try {
    await enterAsPeer(reading, grant);
    await reading.query("set local role federation_peer");
    return await work();
  } finally {
    await reading.query("commit");
  }
}

/** What a connection that reads is answered, or the code of the refusal, where it waits for a change, which is committed then. */
export async function askedBefore(
  pool: Pool,
  reading: PoolClient,
  change: string,
  ask: () => Promise<unknown>,
): Promise<unknown> {
  const pid = await backendOf(reading);
  const changing = await pool.connect();
  try {
    await changing.query(`begin; ${change}`);
    const asking = ask().then((answer) => answer, codeOf);
    await untilBlocked(pool, pid);
    await changing.query("commit");
    return await asking;
  } finally {
    await changing.query("rollback");
    changing.release();
  }
}
