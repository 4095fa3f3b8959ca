import { Client } from "pg";
import { packageRoot } from "../config/package-root.ts";
import { readSqlFiles, withShippedSql } from "../database/apply-sql.ts";
import { fromDatabaseError } from "../database/errors.ts";
import { join } from "node:path";
import type { AuditHeads } from "./audit-heads.ts";

/** How far a chain of the audit log holds. */
export interface VerifiedChain {
  chain: string;
  entries: string;
  /** The first fault: changed, removed, inserted or reordered. */
  fault: string | null;
  fault_position: string | null;
  fault_id: string | null;
  fault_at: Date | null;
}

/** What the walk along the chains needs; of the rest of sql/ it believes nothing. */
const WALK = ["85_audit/020_chain.sql", "85_audit/030_verify_audit.sql"];

/**
 * Walks every chain of the audit log by the functions of this release: who can change a row can change a function of the database, too.
 *
 * @param heads what was signed before; their rows must still be there
 * @returns each chain, and those of `heads` that are cut off
 * @throws FederationError UNAVAILABLE
 */
export async function verifyAudit(
  adminUrl: string,
  heads: AuditHeads["heads"],
): Promise<{ chains: VerifiedChain[]; lost: { chain: string; position: string }[] }> {
  const files = readSqlFiles(join(packageRoot(), "sql")).filter(({ path }) => WALK.includes(path));
  const client = new Client({ connectionString: adminUrl, connectionTimeoutMillis: 10_000 });
  // A connection that breaks between two statements shows at the next one.
  client.on("error", () => undefined);
  try {
    await client.connect();
    return await withShippedSql(client, files, async () => {
      const { rows: chains } = await client.query<VerifiedChain>("select * from federation.verify_audit()");
      const { rows: lost } = await client.query<{ chain: string; position: string }>(
        `select h.chain, h.position
         from jsonb_to_recordset($1) as h (chain text, position bigint, hash text)
         where not federation.check_audit_head(h.chain, h.position, h.hash)`,
        [JSON.stringify(heads)],
      );
      return { chains, lost };
    });
  } catch (error) {
    throw fromDatabaseError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}
