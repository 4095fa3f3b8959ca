import type { Task } from "graphile-worker";

/** Renews our certificates for peers. What of it fails is in the database, as the peer's state and as an alert. */
export interface Renewals {
  /** The ids of the peers whose renewal is due. */
  due(): Promise<string[]>;
  /** Renews one if it is still due. */
  renew(peerId: string): Promise<unknown>;
}

/**
 * Adds a job for each peer whose certificate is to be renewed. A job that waits is not added twice; one that is added while another runs
 * finds that nothing is due.
 */
export function peersRenewDue(renewals: Renewals): Task {
  return async (_payload, helpers) => {
    for (const peer of await renewals.due()) {
      // When it is tried again is for `due` to say.
      await helpers.addJob("peer__renew", { peer }, { jobKey: `peer__renew:${peer}`, maxAttempts: 1 });
    }
  };
}
