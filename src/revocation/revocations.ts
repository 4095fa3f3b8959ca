import type { PoolClient } from "pg";
import type { Logger } from "pino";
import type { Sessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import type { CertificateAuthority, SignedCrl } from "../pki/authority.ts";
import type { GrantNotice } from "./notices.ts";
import { lostSince, readPublished, writePublished } from "./published.ts";
import type { Lost, PublishedRevocation } from "./published.ts";

/** Who a certificate speaks for, as far as revocation goes. */
export interface Certified {
  grantId: string;
  serial: string;
}

/** What a gateway knows of revocations without asking its database, and the lists of them that it publishes: one of each authority. */
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
  /** The newest list of each authority, that of the one which signs first. @throws FederationError UNAVAILABLE where that has none */
  crls(): Promise<[SignedCrl, ...SignedCrl[]]>;
  /** Takes in what a notice says, at once, and then makes new lists. */
  note(notice: GrantNotice): Promise<void>;
  /** Reads what is revoked, and makes new lists. Calls at the same time share one. @throws where that could not be done */
  refresh(): Promise<void>;
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

/** Before a list is stale, this share of its life is left when somebody is told. */
const WARN_WITH_LEFT = 0.25;

/** Reads what was published. The first lists are made by `refresh`. */
export function createRevocations(options: RevocationsOptions): Revocations {
  const { sessions, authorities, log } = options;
  let said = readPublished(options.file);
  // What was published counts before the database has been asked, and whatever it says.
  let serials: ReadonlySet<string> = new Set(said?.revoked.map(({ serial }) => serial));
  const endedGrants = new Set<string>();
  // By the fingerprint of the authority's root.
  let current: ReadonlyMap<string, SignedCrl> = new Map();
  // A process that has ended may have left them open.
  const mayBeOpen = new Set(["CRL_STALE", "REVOCATIONS_LOST"]);
  let lost: Lost = { revoked: [], behind: 0 };
  let running: Promise<void> | undefined;
  let again: Promise<void> | undefined;

  /**
   * One reading, a list of each authority: in one transaction, in which no other process makes one. Each list names all that is revoked,
   * whoever signed it: around a change of authorities that is not known for sure, and no serial number is given out twice.
   */
  const makeLists = async (client: PoolClient): Promise<[string, SignedCrl][]> => {
    const signers = [];
    for (const authority of authorities()) {
      const { rows } = await client.query<{ authority_id: string; number: string; last_revocation: string }>(
        "select authority_id, number, last_revocation from federation.begin_crl($1)",
        [authority.rootFingerprint],
      );
      const [next] = rows;
      if (next === undefined) {
        throw new FederationError("UNAVAILABLE", "The certificate authority is not known to the database.");
      }
      signers.push({ authority, next });
    }
    const revoked = await readRevoked(client);
    const nowListed = new Set(revoked.map(({ serial }) => serial));
    const { rows: time } = await client.query<{ epoch: string; at: Date }>(
      "select federation.revocation_epoch() as epoch, clock_timestamp() as at",
    );
    lost = lostSince(said, {
      revocationEpoch: Number(time[0]?.epoch),
      revokedSerials: nowListed,
      at: time[0]?.at ?? new Date(),
    });
    // What was published stays refused until an administrator has looked at it.
    serials = new Set([...nowListed, ...lost.revoked.map(({ serial }) => serial)]);
    if (isLost(lost)) {
      throw new FederationError("UNAVAILABLE", "The database has lost revocations that were published.");
    }
    const named = revoked.map(({ serial, revokedAt, reason }) => ({ serial, revokedAt: new Date(revokedAt), reason }));
    const lists = [];
    for (const { authority, next } of signers) {
      const number = Math.max(Number(next.number), (said?.crlNumber ?? 0) + 1);
      lists.push({ authority, next, crl: await authority.publishCrl({ revoked: named, number }) });
    }
    const before = new Set(said?.revoked.map(({ serial }) => serial));
    if (before.size !== revoked.length || revoked.some(({ serial }) => !before.has(serial))) {
      said = {
        version: 1,
        lastRevocation: Number(signers[0]?.next.last_revocation ?? 0),
        crlNumber: Math.max(...lists.map(({ crl }) => crl.number)),
        revoked,
      };
      writePublished(options.file, said);
    }
    for (const { next, crl } of lists) {
      await client.query("select federation.store_crl($1, $2, $3, $4, $5)", [
        next.authority_id,
        crl.number,
        crl.der,
        crl.thisUpdate,
        crl.nextUpdate,
      ]);
    }
    return lists.map(({ authority, crl }) => [authority.rootFingerprint, crl]);
  };

  /** Keeps the newer of what is known and what comes, and of authorities that are trusted alone. */
  const keep = (lists: readonly [string, SignedCrl][]): void => {
    const known = [...current, ...lists].toSorted(([, a], [, b]) => a.number - b.number);
    const trusted = new Set(authorities().map(({ rootFingerprint }) => rootFingerprint));
    current = new Map(known.filter(([fingerprint]) => trusted.has(fingerprint)));
  };
  /** The list that is past its next update first. */
  const oldest = (): SignedCrl | undefined =>
    [...current.values()].toSorted((a, b) => a.nextUpdate.getTime() - b.nextUpdate.getTime())[0];

  const refresh = async (): Promise<void> => {
    const wasLost = isLost(lost);
    try {
      keep(await sessions.asGateway(makeLists));
      for (const code of [...mayBeOpen]) {
        await tell(code, undefined);
        mayBeOpen.delete(code);
      }
    } catch (error) {
      if (isLost(lost) && !wasLost) {
        log.fatal({ behind: lost.behind, missing: lost.revoked.length }, LOST);
        await tell("REVOCATIONS_LOST", LOST, "critical");
      }
      const first = oldest();
      if (first !== undefined && leftOf(first) < WARN_WITH_LEFT) {
        await tell(
          "CRL_STALE",
          `The list of revoked certificates could not be made anew; from ${first.nextUpdate.toISOString()} on no peer is let in (crl.whenStale).`,
        );
      }
      throw error;
    }
  };

  /** Puts a condition into the list of what an administrator should look at, or takes it out. */
  const tell = async (code: string, message: string | undefined, severity = "warning"): Promise<void> => {
    mayBeOpen.add(code);
    try {
      await sessions.asGateway((client) =>
        message === undefined
          ? client.query("select federation.resolve_alert($1, 'crl')", [code])
          : client.query("select federation.raise_alert($1, $2, 'crl', $3)", [severity, code, message]),
      );
    } catch (error) {
      log.warn({ err: error }, "an alert could not be written");
    }
  };

  const share = (): Promise<void> => {
    running ??= refresh().finally(() => {
      running = undefined;
    });
    return running;
  };

  return {
    refusalOf: ({ grantId, serial }) => {
      if (serials.has(serial)) {
        return new FederationError("CERTIFICATE_REVOKED", "The certificate has been revoked.");
      }
      if (endedGrants.has(grantId)) {
        return new FederationError("GRANT_REVOKED", "The grant has ended.");
      }
      const isStale = (oldest()?.nextUpdate.getTime() ?? 0) <= Date.now();
      return isStale && options.whenStale === "refuse"
        ? new FederationError("UNAVAILABLE", "The list of revoked certificates is past its next update.")
        : undefined;
    },
    get lost() {
      return isLost(lost) ? new FederationError("UNAVAILABLE", "The gateway does not serve peers for now.") : undefined;
    },
    get crlUntil() {
      return oldest()?.nextUpdate;
    },
    crls: async () => {
      // Whoever asks after a revocation that was told gets lists that have it.
      await running?.catch(() => undefined);
      const [first, ...others] = authorities().map(({ rootFingerprint }) => current.get(rootFingerprint));
      if (first === undefined) {
        throw new FederationError("UNAVAILABLE", "There is no revocation list yet.", { retryAfter: 5 });
      }
      return [first, ...others.filter((crl) => crl !== undefined)];
    },
    note: async ({ grant, certificate, status }) => {
      if (certificate !== undefined) {
        serials = new Set([...serials, certificate]);
      } else if (grant !== undefined && (status === "revoked" || status === "expired")) {
        endedGrants.add(grant);
      }
      // A reading that runs may have begun before this commit.
      again ??= (running ?? Promise.resolve())
        .catch(() => undefined)
        .then(() => {
          again = undefined;
          return share();
        });
      await again;
    },
    refresh: share,
    takeOver: async () => {
      const { rows } = await sessions.asGateway((client) =>
        client.query<{ fingerprint: string; number: string; der: Buffer; this_update: Date; next_update: Date }>(
          "select fingerprint, number, der, this_update, next_update from federation.published_crls()",
        ),
      );
      keep(
        rows.map((stored) => [
          stored.fingerprint,
          {
            number: Number(stored.number),
            der: stored.der,
            thisUpdate: stored.this_update,
            nextUpdate: stored.next_update,
          },
        ]),
      );
    },
  };
}

const LOST =
  'the database does not know revocations that this gateway has published: it was restored from a backup, or is another. No peer is served until "mosaic federation reconcile" has put them back';

/** Every certificate that is revoked and has not ended. */
export async function readRevoked(client: PoolClient): Promise<PublishedRevocation[]> {
  const { rows } = await client.query<{
    serial: string;
    grant_id: string | null;
    revoked_at: Date;
    revocation_reason: string;
    not_after: Date;
  }>("select serial, grant_id, revoked_at, revocation_reason, not_after from federation.revoked_certificates()");
  return rows.map((row) => ({
    serial: row.serial,
    grant: row.grant_id,
    reason: row.revocation_reason,
    revokedAt: row.revoked_at.toISOString(),
    notAfter: row.not_after.toISOString(),
  }));
}

function isLost({ revoked, behind }: Lost): boolean {
  return revoked.length > 0 || behind > 0;
}

/** The share of a list's life that is left. */
function leftOf({ thisUpdate, nextUpdate }: SignedCrl): number {
  return (nextUpdate.getTime() - Date.now()) / (nextUpdate.getTime() - thisUpdate.getTime());
}
