import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";

/** Puts an absent Valkey into the list of what an administrator should look at, and takes it out again. */
export async function sayWhetherAway(sessions: Sessions, gateway: string, away: boolean, log: Logger): Promise<void> {
  const [statement, values] = away
    ? [
        "select federation.raise_alert('warning', 'VALKEY_AWAY', $1, $2)",
        [
          gateway,
          "Valkey does not answer: each gateway counts requests by itself, so that a grant has a bucket at each.",
        ],
      ]
    : ["select federation.resolve_alert('VALKEY_AWAY', $1)", [gateway]];
  try {
    await sessions.asGatewayOnce({ text: statement, values });
  } catch (error) {
    log.warn({ err: error }, "an alert could not be written");
  }
}
