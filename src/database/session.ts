import type { Duplex } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseError, Pool } from "pg";
import type { PoolClient, QueryResult, QueryResultRow } from "pg";
import { before } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import type { PeerIdentity } from "../pki/identity.ts";
import { BEGIN, BEGIN_READ_ONLY } from "./begin.ts";
import { fromDatabaseError } from "./errors.ts";
import { roundTrip } from "./round-trip.ts";
import type { Statement } from "./round-trip.ts";

/** Who a peer's transaction runs as: what its certificate says, and which one that is. */
export type PeerSession = Pick<PeerIdentity, "grantId" | "subjectUserId" | "serial" | "fingerprint">;

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
  /** The same with one statement, sent along with its transaction. */
  asGatewayOnce<R extends QueryResultRow>(statement: Statement, deadline?: Deadline): Promise<QueryResult<R>>;
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

type Begin = typeof BEGIN | typeof BEGIN_READ_ONLY;

/** How soon a server notices that the connection of a running statement was cut, ms. */
const NOTICE_MS = 250;
/** How long the connection by which statements are stopped outlives its last use, ms. */
const CONTROL_IDLE_MS = 1_000;
/** What a backend says whose prepared statements are no longer as its connection knows them: invalid_sql_statement_name, feature_not_supported. */
const STALE = new Set(["26000", "0A000"]);
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
 * @param pool of clients that pipeline
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
  const noticing =
    options.noticesHangUps === true
      ? [{ ...named("noticing"), text: `set local client_connection_check_interval = ${NOTICE_MS}` }]
      : [];
  const commit: Statement = { ...named("commit"), text: "commit" };
  const opening = (begin: Begin, timeout: number, enter: readonly Statement[]): Statement[] => [
    { ...named(begin), text: begin },
    { text: `set local statement_timeout = ${timeout}` },
    ...noticing,
    ...enter,
  ];

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

  /** Has a connection for as long as the work takes: what it left open is rolled back. */
  const connected = async <T>(
    work: (client: PoolClient, timeout: number) => Promise<T>,
    deadline?: Deadline,
    timeoutMs = statementTimeoutMs,
  ): Promise<T> => {
    const client = await connect(deadline);
    let broken: Error | undefined;
    const onError = (error: Error): void => {
      broken = error;
    };
    let cutting: NodeJS.Timeout | undefined;
    const cut = (): void => {
      streamOf(client).destroy();
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
      const result = await work(client, Math.min(timeoutMs, Math.ceil(deadline?.left() ?? timeoutMs) + GRACE_MS));
      deadline?.signal.throwIfAborted();
      return result;
    } catch (error) {
      if (deadline?.signal.aborted === false && deadline.left() <= 0) {
        // It is over, and a process that is busy hears of the database's own timeout first: its timer is due.
        await sleep(0);
      }
      if (deadline?.signal.aborted === true) {
        throw deadline.signal.reason;
      }
      if (error instanceof DatabaseError && STALE.has(error.code ?? "")) {
        broken = error;
      }
      await client.query("rollback").catch((cause: unknown) => {
        broken ??= cause instanceof Error ? cause : new Error(String(cause));
      });
      throw fromDatabaseError(error);
    } finally {
      clearTimeout(cutting);
      deadline?.signal.removeEventListener("abort", onAbort);
      client.off("error", onError);
      client.release(broken);
    }
  };
  const once =
    (begin: Begin, ...enter: Statement[]) =>
    <R extends QueryResultRow>(statement: Statement, deadline?: Deadline): Promise<QueryResult<R>> =>
      connected((client, timeout) => {
        const before = opening(begin, timeout, enter);
        return roundTrip<R>(client, [...before, statement, commit], before.length);
      }, deadline);
  const writing =
    (...enter: Statement[]) =>
    <T>(work: (client: PoolClient) => Promise<T>, deadline?: Deadline, timeoutMs?: number): Promise<T> =>
      connected(
        async (client, timeout) => {
          const before = opening(BEGIN, timeout, enter);
          await roundTrip(client, before, before.length - 1);
          const result = await work(client);
          deadline?.signal.throwIfAborted();
          await client.query("commit");
          return result;
        },
        deadline,
        timeoutMs,
      );
  // Without a name, which code that policies call could give to another statement.
  const role = (name: string): Statement => ({ text: `set local role ${name}` });
  return {
    asGateway: writing(role("federation_gateway")),
    asGatewayOnce: once(BEGIN, role("federation_gateway")),
    asPeer: ({ grantId, subjectUserId, serial, fingerprint }, statement, deadline) =>
      once(
        BEGIN_READ_ONLY,
        {
          ...named("enter_as_peer"),
          text: "select federation.enter_as_peer($1, $2, $3, $4)",
          values: [grantId, subjectUserId, serial, fingerprint],
        },
        role("federation_peer"),
      )(statement, deadline),
    asUser: (userId, statement, deadline) =>
      once(
        BEGIN_READ_ONLY,
        { ...named("enter_as_user"), text: "select federation.enter_as_user($1)", values: [userId] },
        role("federation_user"),
      )(statement, deadline),
    asPerson: (session, work, deadline, timeoutMs) =>
      writing(
        {
          ...named("enter_as_person"),
          text: "select federation.enter_as_person($1, $2)",
          values: [session.hash, session.background],
        },
        role("federation_pages"),
      )(work, deadline, timeoutMs),
  };
}

/** What a client writes to: `end` would wait for the answers to what was sent already. */
function streamOf(client: PoolClient): Duplex {
  return (client as unknown as { connection: { stream: Duplex } }).connection.stream;
}
