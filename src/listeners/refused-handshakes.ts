import type { Logger } from "pino";
import type { Bucket, Limits } from "../admission/bucket.ts";
import type { AuditEntry } from "../audit/entry.ts";
import type { AuditQueue } from "../audit/queue.ts";
import { unrecordedSpan } from "../observability/span.ts";
import { newEntry } from "./audited.ts";

/** Refused handshakes that the audit log keeps of each minute, of one grant and of all who show no certificate of a grant. */
const LIMITS: Limits = { requestsPerMinute: 60, burst: null };

/** The same of all grants together: whoever holds many revoked certificates cannot fill the log by them. */
const LIMITS_OF_ALL: Limits = { requestsPerMinute: 600, burst: null };

/** Whose handshake was refused, where its certificate says it. */
export type HandshakeIdentity = Pick<AuditEntry, "grant_id" | "subject_user_id" | "certificate_serial">;

/** @param reason what TLS says of it, for the gateway's own log */
export type RefusedHandshakes = (code: string, who: HandshakeIdentity, reason?: string) => void;

/**
 * Puts refused handshakes down. Anybody can fail one, as often as the network lets them: the log keeps some of each minute, and the next row
 * says how many had none. Those under a grant's certificate are counted by themselves: who has no certificate cannot crowd them out.
 */
export function createRefusedHandshakes(options: {
  audit: Pick<AuditQueue, "push">;
  bucket: Bucket;
  log: Pick<Logger, "info">;
}): RefusedHandshakes {
  const passedOver = new Map<string, number>();
  const isKept = async (whose: string): Promise<boolean> =>
    (await options.bucket.take(whose, LIMITS)).allowed && (await options.bucket.take("all", LIMITS_OF_ALL)).allowed;
  return (code, who, reason) => {
    const whose = who.grant_id ?? "anonymous";
    void isKept(whose).then((allowed) => {
      const refusedBefore = passedOver.get(whose) ?? 0;
      if (!allowed) {
        passedOver.set(whose, refusedBefore + 1);
        return;
      }
      passedOver.delete(whose);
      options.audit.push({
        ...newEntry(unrecordedSpan()),
        ...who,
        ...{ verb: "handshake", outcome: "denied", code },
        ...(refusedBefore === 0 ? {} : { details: { refusedBefore: String(refusedBefore) } }),
      });
      options.log.info({ code, reason, refusedBefore }, "a TLS handshake was refused");
    });
  };
}
