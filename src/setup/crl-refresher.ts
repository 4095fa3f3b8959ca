import { Pool } from "pg";
import type { Logger } from "pino";
import { asAdministrator } from "../database/administrator.ts";
import { createSessions } from "../database/session.ts";
import { createRevocations } from "../revocation/revocations.ts";
import type { Revocations } from "../revocation/revocations.ts";
import { openAuthority } from "./open-authority.ts";
import type { UsedGateway } from "./use-database.ts";

/** Makes the list of revoked certificates for a worker that runs apart from its gateway. */
export interface CrlRefresher {
  /** Makes it anew. @throws where that could not be done; the next call begins anew */
  refresh(): Promise<void>;
  close(): Promise<void>;
}

const CONNECTIONS = 2;

/** The authority is opened with the first list, so that a worker starts while it is away. */
export function createCrlRefresher(gateway: UsedGateway, log: Logger): CrlRefresher {
  const { adminUrl, gatewayUrl, config, paths, keyring } = gateway;
  const pool = new Pool({ connectionString: gatewayUrl, max: CONNECTIONS });
  pool.on("error", (error) => {
    log.warn({ err: error }, "an idle database connection was lost");
  });
  const sessions = createSessions(pool, { statementTimeoutMs: config.limits.statementTimeoutMs });
  let opened: Promise<Revocations> | undefined;
  const open = async (): Promise<Revocations> =>
    createRevocations({
      sessions,
      authority: await asAdministrator(adminUrl, (client) =>
        openAuthority(client, {
          config,
          paths,
          keyring,
          log: (line) => {
            log.info(line);
          },
        }),
      ),
      file: paths.publishedRevocations,
      whenStale: config.crl.whenStale,
      log,
    });
  return {
    refresh: async () => {
      opened ??= open();
      try {
        await (await opened).refresh();
      } catch (error) {
        opened = undefined;
        throw error;
      }
    },
    close: () => pool.end(),
  };
}
