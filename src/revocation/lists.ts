import type { CertificateAuthority, CrlIssuer, SignedCrl } from "../pki/authority.ts";

/** A list that is published. */
export interface PublishedList extends SignedCrl {
  /** The fingerprint of the root that it is trusted by. */
  authority: string;
  kind: CrlIssuer["kind"];
}

/** The newest lists that a gateway knows: of each authority, and of who signed by the same root before. */
export interface Lists {
  /** Takes over what is newer, and lets go of authorities that are not trusted any more. */
  keep(lists: readonly PublishedList[]): void;
  /** In the order of the authorities; the list of who signs now comes before that of who signed before. */
  all(): PublishedList[];
  /** Of those that sign now, the list that is past its next update first; undefined where there is none. */
  oldest(): PublishedList | undefined;
}

/** @param authorities those that are trusted, the one that signs first */
export function createLists(authorities: () => readonly CertificateAuthority[]): Lists {
  let current: readonly PublishedList[] = [];
  const signsNow = ({ authority, kind }: PublishedList): boolean =>
    authorities().some((one) => one.rootFingerprint === authority && one.kind === kind);
  return {
    keep: (lists) => {
      const known = new Map(current.map((list) => [placeOf(list), list]));
      for (const list of lists) {
        const before = known.get(placeOf(list));
        if (before === undefined || isNewer(list, before)) {
          known.set(placeOf(list), list);
        }
      }
      current = authorities().flatMap(({ rootFingerprint }) =>
        [...known.values()]
          .filter(({ authority }) => authority === rootFingerprint)
          .toSorted((a, b) => Number(signsNow(b)) - Number(signsNow(a))),
      );
    },
    all: () => [...current],
    oldest: () => current.filter(signsNow).toSorted((a, b) => a.nextUpdate.getTime() - b.nextUpdate.getTime())[0],
  };
}

const placeOf = ({ authority, kind }: PublishedList): string => `${authority} ${kind}`;

/**
 * Numbers of two issuers say nothing of each other: an authority that moved to step-ca begins at 1 again. The same is said by
 * federation.store_crl.
 */
function isNewer(list: SignedCrl, before: SignedCrl): boolean {
  return list.issuer !== before.issuer || list.number > before.number || before.nextUpdate.getTime() <= Date.now();
}

/** Before a list is stale, this share of its life is left when somebody is told. */
export const WARN_WITH_LEFT = 0.25;

/** The share of a list's life that is left. */
export function leftOf({ thisUpdate, nextUpdate }: SignedCrl): number {
  return (nextUpdate.getTime() - Date.now()) / (nextUpdate.getTime() - thisUpdate.getTime());
}
