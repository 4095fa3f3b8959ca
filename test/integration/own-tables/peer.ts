import { randomBytes, randomUUID } from "node:crypto";
import type { PoolClient } from "pg";
import type { TestDatabase } from "../../harness/database.ts";
import { fingerprintFor } from "../../harness/fingerprint.ts";

/** What a peer's certificate says. */
export interface PeerSession {
  grantId: string;
  subject: string;
  serial: string;
}

/** A page of `federation_api.list`. */
export interface Page {
  rows: Record<string, unknown>[];
  nextCursor: string | null;
  capped: boolean;
}

/** An active grant with a certificate, made by an administrator's function and by enrollment's. */
export async function activeGrant(database: TestDatabase, subject: string, scope: object): Promise<PeerSession> {
  const serial = randomBytes(8).toString("hex");
  const { rows } = await database.pool.query<{ id: string; token: string }>(
    "select grant_id as id, enrollment_token as token from federation.create_grant($1, $2, $3)",
    [subject, `peer-${randomUUID()}.example`, scope],
  );
  const [grant] = rows;
  if (grant === undefined) {
    throw new Error("no grant");
  }
  await database.pool.query("select federation.redeem_enrollment_token($1)", [grant.token]);
  await database.pool.query(
    "select federation.record_certificate($1, $2, $3, now() - interval '1 minute', now() + interval '1 day')",
    [serial, grant.id, fingerprintFor(serial)],
  );
  return { grantId: grant.id, subject, serial };
}

/** Opens a peer's session for the rest of the transaction; the role stays as it is. */
export async function enterAsPeer(client: PoolClient, { grantId, subject, serial }: PeerSession): Promise<void> {
  await client.query("select federation.enter_as_peer($1, $2, $3, $4)", [
    grantId,
    subject,
    serial,
    fingerprintFor(serial),
  ]);
}

/** Runs statements as a peer: in a read-only transaction, in which the session is open and the role is federation_peer. */
export function asPeer<T>(
  database: TestDatabase,
  peer: PeerSession,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  return database.transaction(async (client) => {
    await client.query("set transaction read only");
    await enterAsPeer(client, peer);
    await client.query("set local role federation_peer");
    return work(client);
  });
}

/** One page of a resource, as the verb gives it. */
export function list(
  database: TestDatabase,
  peer: PeerSession,
  resource: string,
  options: { filter?: object; order?: object[]; first?: number; after?: string } = {},
): Promise<Page> {
  return asPeer(database, peer, async (client) => {
    const { rows } = await client.query<{ page: Page }>(
      'select federation_api.list(resource => $1, filter => $2, "order" => $3, first => $4, after => $5) as page',
      [
        resource,
        options.filter === undefined ? null : JSON.stringify(options.filter),
        options.order === undefined ? null : JSON.stringify(options.order),
        options.first ?? null,
        options.after ?? null,
      ],
    );
    const [row] = rows;
    if (row === undefined) {
      throw new Error("no page");
    }
    return row.page;
  });
}

/** One row of a resource by its key, as the verb gives it. */
export function get(
  database: TestDatabase,
  peer: PeerSession,
  resource: string,
  id: string,
): Promise<Record<string, unknown>> {
  return asPeer(database, peer, async (client) => {
    const { rows } = await client.query<{ row: Record<string, unknown> }>("select federation_api.get($1, $2) as row", [
      resource,
      id,
    ]);
    return rows[0]?.row ?? {};
  });
}
