import type { Logger } from "pino";
import type { StepCaClient } from "./client.ts";

/** How often step-ca is asked how it does, ms. */
const EVERY_MS = 10_000;

/** Whether step-ca was away when it was last asked. */
export interface WatchedStepCa {
  readonly away: boolean;
  close(): Promise<void>;
}

/**
 * Asks step-ca how it does, again and again, until `close`: otherwise nobody would hear that it is away before somebody wants to enroll.
 *
 * @param onChange is told how it does at first, then whenever that changes; never twice at a time
 */
export function watchStepCa(
  client: Pick<StepCaClient, "health">,
  log: Pick<Logger, "info" | "warn">,
  onChange: (away: boolean) => Promise<void>,
): WatchedStepCa {
  let away: boolean | undefined;
  const look = async (): Promise<void> => {
    const before = away;
    try {
      await client.health();
      away = false;
      if (before === true) {
        log.info("step-ca is back");
      }
    } catch (error) {
      away = true;
      if (before !== true) {
        log.warn({ err: error }, "step-ca does not answer; certificates cannot be signed meanwhile");
      }
    }
    if (away !== before) {
      await onChange(away);
    }
  };
  let running = look();
  const timer = setInterval(() => {
    running = running.then(look);
  }, EVERY_MS);
  return {
    get away() {
      return away === true;
    },
    close: async () => {
      clearInterval(timer);
      await running;
    },
  };
}
