import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";

/** What a gateway does without a service, by the code of the alert that says so. */
const WITHOUT = {
  VALKEY_AWAY: "Valkey does not answer: each gateway counts requests by itself, so that a grant has a bucket at each.",
  STEP_CA_AWAY:
    "step-ca does not answer: nobody can enroll or renew, and what is revoked comes into no list; this gateway refuses it all the same.",
} as const;

/** Puts an absent service into the list of what an administrator should look at, and takes it out again. */
export async function sayWhetherAway(
  sessions: Sessions,
  { code, gateway, away }: { code: keyof typeof WITHOUT; gateway: string; away: boolean },
  log: Pick<Logger, "warn">,
): Promise<void> {
  const [text, values] = away
    ? ["select federation.raise_alert('warning', $1, $2, $3)", [code, gateway, WITHOUT[code]]]
    : ["select federation.resolve_alert($1, $2)", [code, gateway]];
  try {
    await sessions.asGatewayOnce({ text, values });
  } catch (error) {
    log.warn({ err: error }, "an alert could not be written");
  }
}
