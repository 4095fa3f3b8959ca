import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";
import { repeatedly } from "../repeatedly.ts";

/** What a gateway does without a service, by the code of the alert that says so. */
const WITHOUT = {
  VALKEY_AWAY: "Valkey does not answer: each gateway counts requests by itself, so that a grant has a bucket at each.",
  STEP_CA_AWAY:
    "step-ca does not answer: by this gateway nobody can enroll or renew, and what is revoked comes into no list; it is refused all the same.",
} as const;

/** How soon what could not be written is tried again, ms. */
const AGAIN_MS = 5_000;

/** Says whether a service is away. */
export interface ServiceAlert {
  /** From now on it is so. Never waits, and never fails: what cannot be written is written as soon as it can. */
  say(away: boolean): void;
  close(): Promise<void>;
}

/**
 * Puts an absent service into the list of what an administrator should look at for as long as it is away, and takes it out again.
 *
 * @param options.subject whose alert it is: another gateway, which may well reach the service, takes it not back
 */
export function createServiceAlert(options: {
  sessions: Sessions;
  code: keyof typeof WITHOUT;
  subject: string;
  log: Pick<Logger, "warn">;
}): ServiceAlert {
  const { sessions, code, subject, log } = options;
  let said: boolean | undefined;
  let written: boolean | undefined;

  const write = async (): Promise<void> => {
    const away = said;
    // What is open already stays as it was; somebody may have closed it, or have restored a database without it.
    if (away === written && away !== true) {
      return;
    }
    const [text, values] =
      away === true
        ? ["select federation.raise_alert('warning', $1, $2, $3)", [code, subject, WITHOUT[code]]]
        : ["select federation.resolve_alert($1, $2)", [code, subject]];
    try {
      await sessions.asGatewayOnce({ text, values });
      written = away;
    } catch (error) {
      // It may be in the list all the same, and only the answer be lost.
      written = undefined;
      log.warn({ err: error, code }, "an alert could not be written; it is tried again");
    }
  };
  const writing = repeatedly(AGAIN_MS, write);
  return {
    say: (away) => {
      said = away;
      writing.soon();
    },
    close: writing.close,
  };
}
