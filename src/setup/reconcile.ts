import { Pool } from "pg";
import { asAdministrator } from "../database/administrator.ts";
import { createSessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import { isLost, lostSince, readPublished } from "../revocation/published.ts";
import type { Lost } from "../revocation/published.ts";
import { readRevoked } from "../revocation/make-lists.ts";
import type { UsedGateway } from "./use-database.ts";

/** What a database had lost of what its gateway published, and what was put back. */
export interface Reconciled extends Lost {
  /** Zero each where nothing was to be changed. */
  restored: { certificates: number; remembered: number; grants: number };
}

/**
 * Puts back what a gateway has published as revoked and its database, restored from a backup, does not know.
 *
 * @param options.change false to look only
 * @throws FederationError CONFIG_INVALID where the record of what was published is damaged, UNAVAILABLE
 */
export async function reconcileRevocations(gateway: UsedGateway, options: { change: boolean }): Promise<Reconciled> {
  const said = readPublished(gateway.paths.publishedRevocations);
  const lost = await lostBy(gateway, said);
  const restored = { certificates: 0, remembered: 0, grants: 0 };
  if (said === undefined || !options.change || !isLost(lost)) {
    return { ...lost, restored };
  }
  const { rows } = await asAdministrator(gateway.adminUrl, (client) =>
    client.query<{ certificates_revoked: number; certificates_remembered: number; grants_ended: number }>(
      "select * from federation.restore_revocations($1, $2)",
      [JSON.stringify(said.revoked), said.lastRevocation],
    ),
  );
  const [counts] = rows;
  if (counts === undefined) {
    throw new FederationError("INTERNAL", "The database does not say what was put back.");
  }
  return {
    ...lost,
    restored: {
      certificates: counts.certificates_revoked,
      remembered: counts.certificates_remembered,
      grants: counts.grants_ended,
    },
  };
}

async function lostBy({ gatewayUrl, config }: UsedGateway, said: ReturnType<typeof readPublished>): Promise<Lost> {
  const pool = new Pool({ connectionString: gatewayUrl, pipeline: true, max: 1 });
  pool.on("error", () => undefined);
  try {
    const sessions = createSessions(pool, { statementTimeoutMs: config.limits.statementTimeoutMs });
    return await sessions.asGateway(async (client) => {
      const revoked = await readRevoked(client);
      const { rows } = await client.query<{ epoch: string; at: Date }>(
        "select federation.revocation_epoch() as epoch, clock_timestamp() as at",
      );
      return lostSince(said, {
        revocationEpoch: Number(rows[0]?.epoch),
        revokedSerials: new Set(revoked.map(({ serial }) => serial)),
        at: rows[0]?.at ?? new Date(),
      });
    });
  } finally {
    await pool.end();
  }
}
