import type { Logger } from "pino";
import type { GatewayDatabase } from "../database/open.ts";
import { FederationError } from "../errors.ts";
import { listenForNotices, readNotice } from "./notices.ts";
import type { NoticeHandlers, Notices } from "./notices.ts";
import type { Revocations } from "./revocations.ts";

/** How often it is looked whether another process has made a list, ms. */
const LOOK_MS = 30_000;

/** Keeps a gateway's knowledge of revocations as new as its database's, until `close`. */
export interface KeptRevocations {
  /** Whether changes are told: where they are not, each is learnt of by the next request that it concerns. */
  readonly listening: boolean;
  /** Until when the newest lists are good; undefined where there is none. */
  readonly crlUntil: Date | undefined;
  close(): Promise<void>;
}

/**
 * Reads what is revoked, makes the first lists, and follows what changes. It listens before it reads, so that nothing is missed in between.
 *
 * @param options.reloadAuthorities reads who is trusted and who signs; whoever learns of a change there has the lists made anew
 * @param options.endRevoked ends what is open under certificates that are revoked by now
 * @throws FederationError REVOCATIONS_LOST where the database does not know what was published: nothing is served then
 */
export async function keepRevocations(options: {
  revocations: Revocations;
  database: GatewayDatabase;
  reloadAuthorities: () => Promise<void>;
  endRevoked: () => void;
  log: Logger;
}): Promise<KeptRevocations> {
  const { revocations, database, endRevoked, log } = options;
  const reload = (): Promise<void> =>
    options.reloadAuthorities().catch((error: unknown) => {
      log.warn(
        { err: error },
        "the certificate authorities could not be read; those that were known stay for five minutes",
      );
    });
  // What is revoked may be known though no list of it could be made.
  const done = (doing: Promise<void>): void => {
    doing
      .catch((error: unknown) => {
        log.warn({ err: error }, "the lists of revoked certificates could not be made anew");
      })
      .finally(endRevoked);
  };
  let awaited: Promise<void> | undefined;
  const handlers: NoticeHandlers = {
    onNotice: (notice) => {
      if (notice.authorities === true) {
        void reload();
        return;
      }
      const making = revocations.note(notice);
      // Notices in a row share what is made, and what is done after it.
      if (making !== awaited) {
        awaited = making;
        done(making);
      }
      endRevoked();
    },
    // A reading that runs may have begun before something that was not told.
    onListening: () => {
      done(reload().then(() => revocations.note({})));
    },
  };
  const notices = followNotices(database, handlers, log);
  try {
    await revocations.takeOver();
    await revocations.refresh().catch((cause: unknown) => {
      if (revocations.lost !== undefined) {
        throw new FederationError(
          "REVOCATIONS_LOST",
          'the database does not know revocations that this gateway has published: it was restored from a backup, or is another. See what is missing, and put it back: "mosaic federation reconcile"',
          { cause },
        );
      }
      log.warn({ err: cause }, "the lists of revoked certificates could not be made anew; the last ones stand");
    });
    await notices.begun;
  } catch (error) {
    await notices.close();
    throw error;
  }
  const timer = setInterval(() => {
    done(
      reload()
        .then(() => revocations.takeOver())
        .then(() => (notices.listening ? revocations.refreshIfOld() : revocations.refresh())),
    );
  }, LOOK_MS);
  return {
    get listening() {
      return notices.listening;
    },
    get crlUntil() {
      return revocations.crlUntil;
    },
    close: async () => {
      clearInterval(timer);
      await notices.close();
    },
  };
}

/** An embedded database tells by itself; a server is listened to. */
function followNotices(database: GatewayDatabase, handlers: NoticeHandlers, log: Logger): Notices {
  if (database.onNotice === undefined) {
    return listenForNotices({ connectionString: database.gatewayUrl, log, ...handlers });
  }
  database.onNotice((payload) => {
    handlers.onNotice(readNotice(payload));
  });
  return { listening: true, begun: Promise.resolve(), close: () => Promise.resolve() };
}
