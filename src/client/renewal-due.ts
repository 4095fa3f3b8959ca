import { createHash } from "node:crypto";

/** What says when a certificate is renewed. Every time is by the clock of the database, which all workers share. */
export interface RenewalTimes {
  /** The peer. */
  id: string;
  notBefore: Date;
  notAfter: Date;
  /** Attempts since the last that succeeded, one that is running included. */
  failures: number;
  /** When the last of them began. */
  failedAt: Date | null;
  now: Date;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
const SHORT_LIFE_MS = 21 * DAY_MS;
/** The share of a wait by which peers are spread, so that those who enrolled together do not renew together. */
const SPREAD = 0.1;

/** An attempt that ends neither well nor badly within this time was killed, ms. No attempt may take longer. */
export const ATTEMPT_MS = MINUTE_MS;

/** How long before its end a certificate is renewed, ms: seven days, or the last third of a short life. */
export function renewalWindowMs({ notBefore, notAfter }: Pick<RenewalTimes, "notBefore" | "notAfter">): number {
  const life = notAfter.getTime() - notBefore.getTime();
  return life < SHORT_LIFE_MS ? life / 3 : 7 * DAY_MS;
}

/** Whether a certificate is near its end, for this peer: up to a tenth of the window earlier, and always by as much. */
export function isNearItsEnd(times: RenewalTimes): boolean {
  const window = renewalWindowMs(times) * (1 + SPREAD * shareOf(times.id));
  return times.now.getTime() >= times.notAfter.getTime() - window;
}

/** How long the next attempt waits after one that failed, ms: 1 min · 2ⁿ, at most 6 h or a quarter of the window, and up to a tenth more. */
export function backOffMs(times: RenewalTimes): number {
  const most = Math.max(ATTEMPT_MS, Math.min(6 * HOUR_MS, renewalWindowMs(times) / 4));
  const doubled = MINUTE_MS * 2 ** Math.min(30, Math.max(0, times.failures - 1));
  return Math.min(most, doubled) * (1 + SPREAD * shareOf(`${times.id} ${times.failures}`));
}

/** Whether an attempt may be running now. */
export function mayBeRunning({ failedAt, now }: Pick<RenewalTimes, "failedAt" | "now">): boolean {
  const since = failedAt === null ? Number.POSITIVE_INFINITY : now.getTime() - failedAt.getTime();
  return Math.abs(since) < ATTEMPT_MS;
}

/** Whether an attempt is due: the certificate is near its end, or an earlier attempt did not come to a good one and has waited. */
export function isRenewalDue(times: RenewalTimes): boolean {
  if (times.failures === 0 || times.failedAt === null) {
    return isNearItsEnd(times);
  }
  const waited = times.now.getTime() - times.failedAt.getTime();
  // Further in the future than an attempt takes: a clock was set back since, and waiting for it could take days.
  return waited >= backOffMs(times) || waited < -ATTEMPT_MS;
}

/** A number from 0 to 1 that is always the same for a text. */
function shareOf(text: string): number {
  return createHash("sha256").update(text).digest().readUInt32BE(0) / 0xffff_ffff;
}
