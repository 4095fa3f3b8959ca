import type { Duplex } from "node:stream";
import { Pool } from "pg";
import type { PoolClient, QueryConfig, QueryResult, QueryResultRow } from "pg";
import { before } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import type { PeerIdentity } from "../pki/identity.ts";
import { fromDatabaseError } from "./errors.ts";

/** Who a peer's transaction runs as: what its certificate says, and which one that is. */
export type PeerSession = Pick<PeerIdentity, "grantId" | "subjectUserId" | "serial" | "fingerprint">;

/** One statement. With `rowMode` its rows are arrays. */
export type Statement = QueryConfig & { rowMode?: "array" };

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
  /** As a peer under a grant. Read-only; the statement refuses by itself where there is no session. Throws the grant's state as its code. */
  asPeer<R extends QueryResultRow>(
    session: PeerSession,
    statement: Statement,
    deadline?: Deadline,
  ): Promise<QueryResult<R>>;
  /** As a local user. Read-only; the statement refuses by itself where there is no session. */
  asUser<R extends QueryResultRow>(userId: string, statement: Statement, deadline?: Deadline): Promise<QueryResult<R>>;
  /**
   * As whoever is signed in to the pages. Read-write. Throws UNAUTHENTICATED where nobody is.
   *
   * @param timeoutMs what a statement of it may take, where that is not what any other may
   */
  asPerson<T>(
    session: BrowserSession,
    work: (client: PoolClient) => Promise<T>,
    deadline?: Deadline,
    timeoutMs?: number,
  ): Promise<T>;
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
 * @param pool of clients that pipeline: how a transaction begins, who it runs as and, where it only reads, its query are sent at once. Where one of these
 *   fails, Postgres refuses those behind it; and where not even the transaction began, a query that needs a session refuses by itself.
 * @param options.statementTimeoutMs what one statement may take
 * @param options.noticesHangUps what the function of that name said of the database
 * @param options.keepsStatements whether each connection has a backend of its own, in which statements are kept by name
 */
export function createSessions(
  pool: Pool,
  options: { statementTimeoutMs: number; noticesHangUps?: boolean; keepsStatements?: boolean },
): Sessions {
  const { statementTimeoutMs } = options;
  const named = (name: string): { name?: string } => (options.keepsStatements === true ? { name } : {});
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
    begin: "begin" | "begin read only",
    enter: readonly Statement[],
    work: (client: PoolClient) => Promise<T>,
    deadline?: Deadline,
    timeoutMs = statementTimeoutMs,
  ): Promise<T> => {
    const client = await connect(deadline);
    const stream = streamOf(client);
    let broken: Error | undefined;
    const onError = (error: Error): void => {
      broken = error;
    };
    let cutting: NodeJS.Timeout | undefined;
    const cut = (): void => {
      stream.destroy();
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
    const stopListening = (): void => {
      clearTimeout(cutting);
      deadline?.signal.removeEventListener("abort", onAbort);
    };
    const letGo = (): void => {
      stopListening();
      client.off("error", onError);
      client.release(broken);
    };
    const keepFault = (cause: unknown): void => {
      broken ??= cause instanceof Error ? cause : new Error(String(cause));
    };
    client.on("error", onError);
    deadline?.signal.addEventListener("abort", onAbort, { once: true });
    // Of a transaction of one statement, the end is sent along; it is a rollback where something before it failed.
    let ending: Promise<unknown> | undefined;
    try {
      // It may have aborted when the connection was there and nobody listened yet.
      deadline?.signal.throwIfAborted();
      const timeout = Math.min(timeoutMs, Math.ceil(deadline?.left() ?? timeoutMs) + GRACE_MS);
      const opening: Promise<unknown>[] = [];
      let working: Promise<T> | undefined;
      // One write instead of one for each.
      stream.cork();
      try {
        opening.push(client.query(`${begin}; set local statement_timeout = ${timeout}${noticing}`));
        for (const statement of enter) {
          opening.push(client.query(statement));
        }
        if (begin === "begin read only") {
          working = work(client);
          ending = client.query("commit");
        }
      } finally {
        stream.uncork();
      }
      ending?.catch(keepFault);
      // What comes behind a refusal fails as well, and says less.
      for (const sent of [...opening, working]) {
        sent?.catch(() => undefined);
      }
      for (const sent of opening) {
        await sent;
      }
      // What writes waits: were it sent along and not even the transaction began, it would hold, as the login's.
      const result = await (working ?? work(client));
      deadline?.signal.throwIfAborted();
      if (ending === undefined) {
        await client.query("commit");
        letGo();
      } else {
        // What was only read holds, however its transaction ends; who hangs up now, with the answer in hand, costs no connection.
        stopListening();
        void ending.then(letGo, letGo);
      }
      return result;
    } catch (error) {
      if (deadline?.signal.aborted !== true) {
        await (ending ?? client.query("rollback")).catch(keepFault);
      }
      letGo();
      throw deadline?.signal.aborted === true ? deadline.signal.reason : fromDatabaseError(error);
    }
  };
  const reading =
    (...enter: Statement[]) =>
    <R extends QueryResultRow>(statement: Statement, deadline?: Deadline): Promise<QueryResult<R>> =>
      transaction("begin read only", enter, (client) => client.query<R>(statement), deadline);
  return {
    asGateway: (work, deadline) =>
      transaction("begin", [{ text: "set local role federation_gateway" }], work, deadline),
    asPeer: ({ grantId, subjectUserId, serial, fingerprint }, statement, deadline) =>
      reading(
        {
          ...named("enter_as_peer"),
          text: "select federation.enter_as_peer($1, $2, $3, $4)",
          values: [grantId, subjectUserId, serial, fingerprint],
        },
        { text: "set local role federation_peer" },
      )(statement, deadline),
    asUser: (userId, statement, deadline) =>
      reading(
        { ...named("enter_as_user"), text: "select federation.enter_as_user($1)", values: [userId] },
        { text: "set local role federation_user" },
      )(statement, deadline),
    asPerson: (session, work, deadline, timeoutMs) =>
      transaction(
        "begin",
        [
          {
            ...named("enter_as_person"),
            text: "select federation.enter_as_person($1, $2)",
            values: [session.hash, session.background],
          },
          { text: "set local role federation_pages" },
        ],
        work,
        deadline,
        timeoutMs,
      ),
  };
}

/** What a client writes to: `end` would wait for the answers to what was sent already. */
function streamOf(client: PoolClient): Duplex {
  return (client as unknown as { connection: { stream: Duplex } }).connection.stream;
}
