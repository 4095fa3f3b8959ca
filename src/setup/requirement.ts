import { setTimeout as sleep } from "node:timers/promises";

/** Something that a gateway of tier `federated` stands on, as it was found. */
export interface Requirement {
  name: "PostgreSQL" | "pgvector" | "database privileges" | "Valkey" | "step-ca" | "clock";
  /** What was found, or why it will not do. */
  detail: string;
  /** Set where it will not do: what to run or to change. */
  remedy?: string;
}

/** What one step of looking at a service may take, ms. */
export const REQUIREMENT_MS = 5_000;
/** What a service may take in all, ms: everything is known within ten seconds. */
const ALL_STEPS_MS = 8_000;

/** What looking at a service finds, or that it took too long. */
export async function inTime(name: Requirement["name"], looking: Promise<Requirement[]>): Promise<Requirement[]> {
  const timer = new AbortController();
  const late = sleep(ALL_STEPS_MS, undefined, { signal: timer.signal }).then(
    (): Requirement[] => [
      {
        name,
        detail: `it did not answer within ${ALL_STEPS_MS / 1000} s`,
        remedy: "look at its log, and at what is between it and the gateway",
      },
    ],
    () => [],
  );
  try {
    return await Promise.race([looking, late]);
  } finally {
    timer.abort();
  }
}

/** One-time tokens of step-ca allow for this much, ms. */
const CLOCK_LEEWAY_MS = 60_000;

/** Compares a clock with ours. */
export function clockOf(whose: string, clock: Date): Requirement {
  const skew = Math.abs(Date.now() - clock.getTime());
  return skew > CLOCK_LEEWAY_MS
    ? {
        name: "clock",
        detail: `the clock of ${whose} is off by ${Math.round(skew / 1000)} s`,
        remedy: "synchronise the clocks of both machines (NTP)",
      }
    : { name: "clock", detail: `agrees with ${whose}'s` };
}

/** What an error says, in words for people. */
export function reason(error: unknown): string {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) {
    return error.errors[0].message;
  }
  return error instanceof Error ? (error.message === "" ? error.name : error.message) : String(error);
}
