import { Pool } from "pg";
import type { PoolClient } from "pg";
import { before } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import type { CertificateIdentity } from "../pki/identity.ts";
import { fromDatabaseError } from "./errors.ts";

/** Who a peer's transaction runs as: what its certificate says. */
export interface PeerSession extends Pick<CertificateIdentity, "grantId" | "subjectUserId"> {
  serial: string;
}

/** A browser that is signed in to the pages: what its cookie hashes to. */
export interface BrowserSession {
  /** SHA-256 of the cookie. */
  hash: Buffer;
  /** Whether the page asks by itself: an idle session then goes on to its end. */
  background: boolean;
}

/**
 * Runs statements in transactions whose role and session end with them. Where a deadline is given and aborts, what runs is stopped and its
 * connection is given up; once that is done, the deadline's reason is thrown.
 */
export interface Sessions {
  /** As the gateway itself: enrollment, audit, settings. Read-write. */
  asGateway<T>(work: (client: PoolClient) => Promise<T>, deadline?: Deadline): Promise<T>;
  /** As a peer under a grant. Read-only. Throws the grant's state as its code. */
  asPeer<T>(session: PeerSession, work: (client: PoolClient) => Promise<T>, deadline?: Deadline): Promise<T>;
  /** As a local user. Read-only. */
  asUser<T>(userId: string, work: (client: PoolClient) => Promise<T>, deadline?: Deadline): Promise<T>;
  /** As whoever is signed in to the pages. Read-write. Throws UNAUTHENTICATED where nobody is. */
  asPerson<T>(session: BrowserSession, work: (client: PoolClient) => Promise<T>, deadline?: Deadline): Promise<T>;
}

/** How soon a server notices that the connection of a running statement was cut, ms. */
const NOTICE_MS = 250;
/** How long the connection by which statements are stopped outlives its last use, ms. */
const CONTROL_IDLE_MS = 1_000;
/** By how much a statement outlives its deadline, so that the deadline, which knows the reason, ends it. */
const GRACE_MS = 50;

/**
 * Whether the database can notice by itself that a client is gone while its statement runs (PostgreSQL documentation,
 * `client_connection_check_interval`). Where it cannot, as on PGlite, a statement whose caller hung up runs on to its end.
 */
export async function noticesHangUps(pool: Pool): Promise<boolean> {
  return pool.query("select set_config('client_connection_check_interval', $1, true)", [String(NOTICE_MS)]).then(
    () => true,
    (error: unknown) => {
      if (fromDatabaseError(error).code === "UNAVAILABLE") {
        throw error;
      }
      return false;
    },
  );
}

/**
 * Sessions over a pool. Role and settings are always local to the transaction: on the embedded database all clients share one
 * backend.
 *
 * @param options.statementTimeoutMs what one statement may take
 * @param options.noticesHangUps what the function of that name said of the database
 */
export function createSessions(
  pool: Pool,
  options: { statementTimeoutMs: number; noticesHangUps?: boolean },
): Sessions {
  const { statementTimeoutMs } = options;
  const noticing = options.noticesHangUps === true ? `; set local client_connection_check_interval = ${NOTICE_MS}` : "";

  // A backend can only be stopped from another connection. A cancelled one is not used again: the word may come to it late.
  const control =
    options.noticesHangUps === true
      ? new Pool({ ...pool.options, max: 1, idleTimeoutMillis: CONTROL_IDLE_MS, allowExitOnIdle: true })
      : undefined;
  control?.on("error", () => undefined);
  const stop =
    control === undefined
      ? undefined
      : (client: PoolClient & { processID?: number | null }): Promise<unknown> =>
          control.query("select pg_cancel_backend($1)", [client.processID]);

  const connect = async (deadline: Deadline | undefined): Promise<PoolClient> => {
    const connecting = pool.connect();
    try {
      return await (deadline === undefined ? connecting : before(deadline.signal, connecting));
    } catch (error) {
      // A connection that comes after its time goes to the next that waits.
      void connecting.then(
        (client) => {
          client.release();
        },
        () => undefined,
      );
      throw fromDatabaseError(error);
    }
  };

  const transaction = async <T>(
    begin: string,
    enter: (client: PoolClient) => Promise<unknown>,
    work: (client: PoolClient) => Promise<T>,
    deadline?: Deadline,
  ): Promise<T> => {
    const client = await connect(deadline);
    let broken: Error | undefined;
    const onError = (error: Error): void => {
      broken = error;
    };
    let cutting: NodeJS.Timeout | undefined;
    // With a statement running, `end` destroys the socket at once (pg, Client.end).
    const cut = (): void => {
      void client.end();
    };
    const onAbort = (): void => {
      broken = new FederationError("CANCELLED", "The connection was cut.");
      if (stop === undefined) {
        cut();
        return;
      }
      // The work counts as running until its backend has let go of it: who hangs up makes no room for more than there is room for.
      cutting = setTimeout(cut, NOTICE_MS);
      stop(client).catch(cut);
    };
    client.on("error", onError);
    deadline?.signal.addEventListener("abort", onAbort, { once: true });
    try {
      // It may have aborted when the connection was there and nobody listened yet.
      deadline?.signal.throwIfAborted();
      const timeout = Math.min(statementTimeoutMs, Math.ceil(deadline?.left() ?? statementTimeoutMs) + GRACE_MS);
      await client.query(`${begin}; set local statement_timeout = ${timeout}${noticing}`);
      deadline?.signal.throwIfAborted();
      await enter(client);
      deadline?.signal.throwIfAborted();
      const result = await work(client);
      deadline?.signal.throwIfAborted();
      await client.query("commit");
      return result;
    } catch (error) {
      if (deadline?.signal.aborted === true) {
        throw deadline.signal.reason;
      }
      await client.query("rollback").catch((cause: unknown) => {
        broken = cause instanceof Error ? cause : new Error(String(cause));
      });
      throw fromDatabaseError(error);
    } finally {
      clearTimeout(cutting);
      deadline?.signal.removeEventListener("abort", onAbort);
      client.off("error", onError);
      client.release(broken);
    }
  };
  return {
    asGateway: (work, deadline) =>
      transaction("begin", (client) => client.query("set local role federation_gateway"), work, deadline),
    asPeer: (session, work, deadline) =>
      transaction(
        "begin read only",
        async (client) => {
          await client.query("select federation.enter_as_peer($1, $2, $3)", [
            session.grantId,
            session.subjectUserId,
            session.serial,
          ]);
          await client.query("set local role federation_peer");
        },
        work,
        deadline,
      ),
    asPerson: (session, work, deadline) =>
      transaction(
        "begin",
        async (client) => {
          await client.query("select federation.enter_as_person($1, $2)", [session.hash, session.background]);
          await client.query("set local role federation_pages");
        },
        work,
        deadline,
      ),
    asUser: (userId, work, deadline) =>
      transaction(
        "begin read only",
        async (client) => {
          await client.query("select federation.enter_as_user($1)", [userId]);
          await client.query("set local role federation_user");
        },
        work,
        deadline,
      ),
  };
}
