import { dirname } from "node:path";
import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";
import { alertSubject } from "../observability/alert-subject.ts";

/** What can be wrong with what a gateway publishes, and how bad it is. */
const SEVERITIES = {
  /** The certificate authority's list is older than the one that it signed before. */
  CRL_BEHIND: "warning",
  /** None could be made at the last attempt. */
  CRL_FAILED: "warning",
  /** The newest list is near its next update, or past it. */
  CRL_STALE: "warning",
  /** The database does not know what was published. */
  REVOCATIONS_LOST: "critical",
} as const;

/** A condition and what there is to say of it. */
export type PublishingAlerts = Partial<Record<keyof typeof SEVERITIES, string>>;

/**
 * Says after each attempt to publish what is wrong. The conditions are of this gateway, by host and directory: another one, which may well
 * publish, takes none of them back.
 *
 * @param options.file where it is kept what was published
 */
export function createPublishingAlerts(options: {
  sessions: Sessions;
  file: string;
  log: Logger;
}): (found: PublishingAlerts) => Promise<void> {
  const { sessions, log } = options;
  const subject = alertSubject(dirname(options.file));
  const codes = Object.keys(SEVERITIES) as (keyof typeof SEVERITIES)[];
  // A process that has ended may have left them open.
  const mayBeOpen = new Set(codes);
  return async (found) => {
    const [raised, over] = [codes.filter((code) => code in found), codes.filter((code) => !(code in found))];
    const resolved = over.filter((code) => mayBeOpen.has(code));
    if (raised.length + resolved.length === 0) {
      return;
    }
    raised.forEach((code) => mayBeOpen.add(code));
    try {
      await sessions.asGateway(async (client) => {
        // Each time: what is open already stays as it was, and what somebody closed is open again.
        for (const code of raised) {
          const values = [SEVERITIES[code], code, subject, found[code]];
          await client.query("select federation.raise_alert($1, $2, $3, $4)", values);
        }
        for (const code of resolved) {
          await client.query("select federation.resolve_alert($1, $2)", [code, subject]);
        }
      });
      resolved.forEach((code) => mayBeOpen.delete(code));
    } catch (error) {
      log.warn({ err: error }, "alerts could not be written");
    }
  };
}
