import { randomUUID } from "node:crypto";
import { Pool } from "pg";
import { createSessions } from "../database/session.ts";
import { startDeadline } from "../deadline.ts";
import { createLog } from "../observability/log.ts";
import { createMetrics } from "../observability/metrics.ts";
import { unrecordedSpan } from "../observability/span.ts";
import type { Asked } from "../source/asked.ts";
import { createHomeQueries } from "../source/home-queries.ts";
import type { HomeQueries } from "../source/home-queries.ts";
import { openPeerAccess } from "../source/peer-access.ts";
import { createSignals } from "../source/signals.ts";
import type { UsedGateway } from "./use-database.ts";

/** What a command asks as, on behalf of a local user: one session, which ends with the command. */
export type AskedAs = (userId: string) => Asked;

/**
 * Runs a command's queries beside a gateway, over connections of its own.
 *
 * @param options.timeoutMs what they may take together; undefined for as long as the configuration lets each take
 */
export async function askHome<T>(
  { config, keyring, gatewayUrl }: Pick<UsedGateway, "config" | "keyring" | "gatewayUrl">,
  work: (queries: HomeQueries, askedAs: AskedAs) => Promise<T>,
  options: { timeoutMs?: number | undefined } = {},
): Promise<T> {
  const pool = new Pool({ connectionString: gatewayUrl, pipeline: true, max: 4 });
  pool.on("error", () => undefined);
  const { statementTimeoutMs, peerTimeoutMs } = config.limits;
  const sessions = createSessions(pool, { statementTimeoutMs });
  const metrics = createMetrics();
  const log = createLog("silent");
  const access = openPeerAccess({ config, keyring: () => keyring, sessions, metrics, log });
  const deadline = startDeadline(options.timeoutMs ?? statementTimeoutMs + peerTimeoutMs);
  const signals = createSignals();
  const session = randomUUID();
  try {
    return await work(createHomeQueries(access), (userId) => {
      const asked: Asked = {
        userId,
        deadline,
        span: unrecordedSpan(),
        signals: [],
        // The command says what failed.
        fault: () => undefined,
        tell: (source, online) => {
          const signal = signals.note(session, source, online);
          if (signal !== undefined) {
            asked.signals.push(signal);
          }
        },
      };
      return asked;
    });
  } finally {
    deadline.end();
    await access.close();
    await metrics.close();
    await pool.end();
  }
}
