import type { Logger } from "pino";
import { repeatedly } from "../repeatedly.ts";
import type { Repeated } from "../repeatedly.ts";
import type { StepCaClient } from "./client.ts";

/** How often step-ca is asked how it does, ms. */
const EVERY_MS = 5_000;
/** After how many questions without an answer, one after the other, it counts as away. */
const MISSES = 2;

/** Whether step-ca is away. */
export interface WatchedStepCa extends Pick<Repeated, "close"> {
  readonly away: boolean;
}

/**
 * Asks step-ca how it does, again and again, until `close`: otherwise nobody would hear that it is away before somebody wants to enroll.
 *
 * @param onChange is told how it does at first, then whenever that changes
 */
export function watchStepCa(
  client: Pick<StepCaClient, "health">,
  log: Pick<Logger, "info" | "warn">,
  onChange: (away: boolean) => void,
): WatchedStepCa {
  let away: boolean | undefined;
  let misses = 0;
  const look = async (): Promise<void> => {
    const before = away;
    try {
      await client.health();
      misses = 0;
      away = false;
      if (before === true) {
        log.info("step-ca is back");
      }
    } catch (error) {
      misses += 1;
      if (misses < MISSES) {
        return;
      }
      away = true;
      if (before !== true) {
        log.warn({ err: error }, "step-ca does not answer; certificates cannot be signed meanwhile");
      }
    }
    if (away !== before) {
      onChange(away);
    }
  };
  const looking = repeatedly(EVERY_MS, look);
  return {
    get away() {
      return away === true;
    },
    close: looking.close,
  };
}
