import type { Task } from "graphile-worker";
import { z } from "zod";
import type { Renewals } from "./peers__renew_due.ts";

const payloadOf = z.strictObject({ peer: z.uuid() });

/** Renews the certificate for one peer if it is still due. Safe to repeat and to run twice at once: one of them goes on. */
export function peerRenew(renewals: Renewals): Task {
  return async (payload) => {
    await renewals.renew(payloadOf.parse(payload).peer);
  };
}
