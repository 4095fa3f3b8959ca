import { Pool } from "pg";
import type { Logger } from "pino";
import { asAdministrator } from "../database/administrator.ts";
import { createSessions } from "../database/session.ts";
import { createRevocations } from "../revocation/revocations.ts";
import type { Revocations } from "../revocation/revocations.ts";
import { followAuthorities } from "./follow-authorities.ts";
import type { Authorities } from "./follow-authorities.ts";
import { authoritiesReader, openAuthorities } from "./open-authority.ts";
import type { UsedGateway } from "./use-database.ts";

/** Makes the lists of revoked certificates for a worker that runs apart from its gateway. */
export interface CrlRefresher {
  /** Makes them anew. @throws where that could not be done; the next call begins anew */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

const CONNECTIONS = 2;

/** The authorities are opened with the first lists, so that a worker starts while they are away. */
export function createCrlRefresher(gateway: UsedGateway, log: Logger): CrlRefresher {
  const { adminUrl, gatewayUrl, config, paths, keyring } = gateway;
  const pool = new Pool({ connectionString: gatewayUrl, pipeline: true, max: CONNECTIONS });
  pool.on("error", (error) => {
    log.warn({ err: error }, "an idle database connection was lost");
  });
  const sessions = createSessions(pool, { statementTimeoutMs: config.limits.statementTimeoutMs });
  let opened: Promise<{ authorities: Authorities; revocations: Revocations }> | undefined;
  const open = async (): Promise<{ authorities: Authorities; revocations: Revocations }> => {
    const authorities = followAuthorities({
      opened: await asAdministrator(adminUrl, (client) =>
        openAuthorities(client, {
          config,
          paths,
          keyring,
          log: (line) => {
            log.info(line);
          },
        }),
      ),
      read: authoritiesReader({ config, paths, sessions, log }),
    });
    const revocations = createRevocations({
      sessions,
      authorities: () => authorities.trusted,
      file: paths.publishedRevocations,
      whenStale: config.crl.whenStale,
      log,
    });
    return { authorities, revocations };
  };
  return {
    refresh: async () => {
      opened ??= open();
      try {
        const { authorities, revocations } = await opened;
        await authorities.reload();
        await revocations.refresh();
      } catch (error) {
        opened = undefined;
        throw error;
      }
    },
    close: () => pool.end(),
  };
}
