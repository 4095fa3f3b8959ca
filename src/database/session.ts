import type { Pool, PoolClient } from "pg";
import type { CertificateIdentity } from "../pki/identity.ts";
import { fromDatabaseError } from "./errors.ts";

/** Who a peer's transaction runs as: what its certificate says. */
export interface PeerSession extends Pick<CertificateIdentity, "grantId" | "subjectUserId"> {
  serial: string;
}

/** Runs statements in transactions whose role and session end with them. */
export interface Sessions {
  /** As the gateway itself: enrollment, audit, settings. Read-write. */
  asGateway<T>(work: (client: PoolClient) => Promise<T>): Promise<T>;
  /** As a peer under a grant. Read-only. Throws the grant's state as its code. */
  asPeer<T>(session: PeerSession, work: (client: PoolClient) => Promise<T>): Promise<T>;
  /** As a local user. Read-only. */
  asUser<T>(userId: string, work: (client: PoolClient) => Promise<T>): Promise<T>;
}

/**
 * Sessions over a pool. Role and settings are always local to the transaction: on the embedded database all clients share one
 * backend.
 *
 * @param statementTimeoutMs what one statement may take
 */
export function createSessions(pool: Pool, statementTimeoutMs: number): Sessions {
  const transaction = async <T>(
    begin: string,
    enter: (client: PoolClient) => Promise<unknown>,
    work: (client: PoolClient) => Promise<T>,
  ): Promise<T> => {
    let client: PoolClient;
    try {
      client = await pool.connect();
    } catch (error) {
      throw fromDatabaseError(error);
    }
    let broken: Error | undefined;
    const onError = (error: Error): void => {
      broken = error;
    };
    client.on("error", onError);
    try {
      await client.query(`${begin}; set local statement_timeout = ${statementTimeoutMs}`);
      await enter(client);
      const result = await work(client);
      await client.query("commit");
      return result;
    } catch (error) {
      await client.query("rollback").catch((cause: unknown) => {
        broken = cause instanceof Error ? cause : new Error(String(cause));
      });
      throw fromDatabaseError(error);
    } finally {
      client.off("error", onError);
      client.release(broken);
    }
  };
  return {
    asGateway: (work) => transaction("begin", (client) => client.query("set local role federation_gateway"), work),
    asPeer: (session, work) =>
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
      ),
    asUser: (userId, work) =>
      transaction(
        "begin read only",
        async (client) => {
          await client.query("select federation.enter_as_user($1)", [userId]);
          await client.query("set local role federation_user");
        },
        work,
      ),
  };
}
