import { Client } from "pg";
import { fromDatabaseError } from "../database/errors.ts";
import { MIGRATION_LOCK } from "../database/migrate.ts";
import { FederationError } from "../errors.ts";
import { beginMove } from "./session.ts";

// A run that was killed is still at work in the server until that notices.
const LOCK_TIMEOUT = "30s";

/**
 * Runs work in one transaction of the target, which no other move or migration enters meanwhile. The work commits by itself; what it
 * did not commit is rolled back.
 *
 * @throws FederationError UNAVAILABLE, CONFLICT where another run is at work
 */
export async function withTarget<T>(connectionString: string, work: (target: Client) => Promise<T>): Promise<T> {
  const target = new Client({ connectionString, connectionTimeoutMillis: 10_000, keepAlive: true });
  // A connection that breaks between two statements shows at the next one.
  target.on("error", () => undefined);
  try {
    await target.connect();
  } catch (cause) {
    throw new FederationError(
      "UNAVAILABLE",
      `the target cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  try {
    await beginMove(target, "read write");
    await target.query("select set_config('lock_timeout', $1, true)", [LOCK_TIMEOUT]);
    await target.query("select pg_advisory_xact_lock($1)", [MIGRATION_LOCK]).catch((cause: unknown) => {
      throw new FederationError("CONFLICT", "another run is at work on the target", { cause });
    });
    await target.query("set local lock_timeout = 0");
    return await work(target);
  } catch (error) {
    await target.query("rollback").catch(() => undefined);
    throw fromDatabaseError(error);
  } finally {
    await target.end().catch(() => undefined);
  }
}
