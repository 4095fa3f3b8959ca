import { setTimeout as sleep } from "node:timers/promises";
import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import type { CertificateAuthority, SignedCrl } from "../pki/authority.ts";
import { createPublishingAlerts } from "./alerts.ts";
import type { PublishingAlerts } from "./alerts.ts";
import { createKnownRevocations } from "./known.ts";
import type { Certified } from "./known.ts";
import { createLists, leftOf, WARN_WITH_LEFT } from "./lists.ts";
import type { PublishedList } from "./lists.ts";
import { ListIsBehind, makeLists } from "./make-lists.ts";
import type { GrantNotice } from "./notices.ts";
import { isLost, openPublished } from "./published.ts";
import type { Lost } from "./published.ts";

/**
 * What a gateway knows of revocations without asking its database, and the lists of them that it publishes: one of each authority, and one
 * of who signed by the same root before.
 */
export interface Revocations {
  /**
   * Why a certificate is not taken at a handshake; undefined where nothing is known against it. It never lets in what the database would
   * not: each transaction looks there again.
   */
  refusalOf(certified: Certified): FederationError | undefined;
  /** Why no verb may run: the database has lost what was published. Undefined where it has not. */
  readonly lost: FederationError | undefined;
  /** Until when the newest lists are good; undefined where there is none. */
  readonly crlUntil: Date | undefined;
  /**
   * The newest lists, that of the authority which signs first. What is being made is waited for, a second at most.
   *
   * @throws FederationError UNAVAILABLE where that one has none
   */
  crls(): Promise<[SignedCrl, ...SignedCrl[]]>;
  /** Takes in what a notice says, at once, and then makes new lists, of what is read from now on, unless it says that nothing was revoked. */
  note(notice: GrantNotice): Promise<void>;
  /** Reads what is revoked, and makes new lists. Calls at the same time share one. @throws where that could not be done */
  refresh(): Promise<void>;
  /** The same where there is no list, or one that says another time than a few minutes ago: a clock may have jumped, either way. */
  refreshIfOld(): Promise<void>;
  /** Takes over the lists that another process has made, where they are newer. */
  takeOver(): Promise<void>;
}

/** What revocations stand on. */
export interface RevocationsOptions {
  sessions: Sessions;
  /** Those that are trusted, the one that signs first. */
  authorities: () => readonly CertificateAuthority[];
  /** Where it is kept what was published (src/revocation/published.ts). */
  file: string;
  /** Whether certificates are taken while the newest list is past its next update. */
  whenStale: "refuse" | "allow";
  log: Logger;
}

/** A list that nobody has made anew for so long is made here, ms. */
const OLDEST_MS = 5 * 60_000;
/** After lists were made because of a notice, the next notices wait so long and share what is made then, ms. */
const PAUSE_MS = 800;
/** How long whoever asks for the lists waits for those that are being made, ms. */
const WAIT_MS = 1_000;
/** When a peer may ask again at a gateway whose database is behind: an administrator has to come first. */
const LOST_RETRY_SECONDS = 60;

/** Reads what was published. The first lists are made by `refresh`. */
export function createRevocations(options: RevocationsOptions): Revocations {
  const { sessions, authorities, log } = options;
  const record = openPublished(options.file);
  // What was published counts before the database has been asked, and whatever it says.
  const known = createKnownRevocations(record.read()?.revoked.map(({ serial }) => serial) ?? []);
  const lists = createLists(authorities);
  const alert = createPublishingAlerts(options);
  let lost: Lost = { revoked: [], behind: 0 };
  let running: Promise<void> | undefined;
  let again: Promise<void> | undefined;
  let notedUntil = -Infinity;

  const make = (): Promise<PublishedList[]> =>
    sessions.asGateway((client) => {
      let mark = 0;
      return makeLists(client, {
        authorities: authorities(),
        record,
        onReading: () => {
          mark = known.mark();
        },
        onRead: (read) => {
          known.read(read.serials, mark);
          ({ lost } = read);
        },
      });
    });

  const refresh = async (): Promise<void> => {
    const wasLost = isLost(lost);
    try {
      lists.keep(await make());
    } catch (error) {
      if (isLost(lost) && !wasLost) {
        log.fatal({ behind: lost.behind, missing: lost.revoked.length }, LOST);
      }
      await alert(conditions(error));
      throw error;
    }
    await alert(conditions(undefined));
  };

  /** What an administrator should look at after an attempt: a list that was just made may be near its end, too, where step-ca signs. */
  const conditions = (failure: unknown): PublishingAlerts => {
    const oldest = lists.oldest();
    const noneIsGood = oldest === undefined ? failure !== undefined : leftOf(oldest) < WARN_WITH_LEFT;
    const why = isLost(lost)
      ? { REVOCATIONS_LOST: LOST }
      : failure instanceof ListIsBehind
        ? { CRL_BEHIND: BEHIND }
        : { CRL_FAILED: FAILED };
    return {
      ...(failure === undefined ? {} : why),
      ...(noneIsGood
        ? {
            CRL_STALE: `There is no list of revoked certificates that is good beyond ${(oldest?.nextUpdate ?? new Date()).toISOString()}, and none could be made; from then on no peer is let in (crl.whenStale).`,
          }
        : {}),
    };
  };

  const share = (): Promise<void> => {
    running ??= refresh().finally(() => {
      running = undefined;
    });
    return running;
  };

  /** Waits for what runs, and for the pause after what was made for the last notices. */
  const untilNext = async (): Promise<void> => {
    for (;;) {
      const pause = notedUntil - performance.now();
      if (running !== undefined) {
        await running.catch(() => undefined);
      } else if (pause > 0) {
        await sleep(pause, undefined, { ref: false });
      } else {
        return;
      }
    }
  };

  return {
    refusalOf: (certified) => {
      const refusal = known.refusalOf(certified);
      const isStale = (lists.oldest()?.nextUpdate.getTime() ?? 0) <= Date.now();
      return refusal === undefined && isStale && options.whenStale === "refuse"
        ? new FederationError("UNAVAILABLE", "The list of revoked certificates is past its next update.")
        : refusal;
    },
    get lost() {
      return isLost(lost)
        ? new FederationError("UNAVAILABLE", "The gateway does not serve peers for now.", {
            retryAfter: LOST_RETRY_SECONDS,
          })
        : undefined;
    },
    get crlUntil() {
      return lists.oldest()?.nextUpdate;
    },
    crls: async () => {
      // Whoever asks after a revocation that was told gets lists that have it.
      const making = again ?? running;
      if (making !== undefined) {
        await Promise.race([making.catch(() => undefined), sleep(WAIT_MS, undefined, { ref: false })]);
      }
      const [signer] = authorities();
      const [first, ...others] = lists.all();
      if (first === undefined || first.authority !== signer?.rootFingerprint || first.kind !== signer.kind) {
        throw new FederationError("UNAVAILABLE", "There is no revocation list yet.", { retryAfter: 5 });
      }
      return [first, ...others];
    },
    note: (notice) => {
      if (!known.note(notice)) {
        return Promise.resolve();
      }
      // A reading that runs may have begun before what is told; one that is to come serves all that is told until then.
      again ??= untilNext().then(() => {
        again = undefined;
        return share().finally(() => {
          notedUntil = performance.now() + PAUSE_MS;
        });
      });
      return again;
    },
    refresh: share,
    refreshIfOld: async () => {
      const oldest = lists.oldest();
      if (oldest === undefined || Math.abs(Date.now() - oldest.thisUpdate.getTime()) > OLDEST_MS) {
        await share();
      }
    },
    takeOver: async () => {
      const { rows } = await sessions.asGatewayOnce<{
        fingerprint: string;
        kind: PublishedList["kind"];
        issuer: string;
        number: string;
        der: Buffer;
        this_update: Date;
        next_update: Date;
      }>({
        text: "select fingerprint, kind, issuer, number, der, this_update, next_update from federation.published_crls()",
      });
      lists.keep(
        rows.map(({ fingerprint, kind, issuer, number, der, this_update, next_update }) => ({
          ...{ authority: fingerprint, kind, issuer, number: Number(number), der },
          ...{ thisUpdate: this_update, nextUpdate: next_update },
        })),
      );
    },
  };
}

const LOST =
  'the database does not know revocations that this gateway has published: it was restored from a backup, or is another. No peer is served until "mosaic federation reconcile" has put them back';
const FAILED =
  "No list of revoked certificates could be made at the last attempt; the log says why. Certificates that were revoked since are refused, and their peers cannot find out.";
const BEHIND =
  "The certificate authority gives a list whose number is below the one that it gave before: was it restored from a backup? The list before stays until its next update; then the other one takes its place.";
