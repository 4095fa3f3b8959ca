import { FederationError } from "../errors.ts";
import type { CertificateAuthority, CertificateIssuer } from "../pki/authority.ts";

/** The authorities of a gateway that runs: certificates are signed by whichever signs now. */
export interface Authorities extends CertificateIssuer {
  /** Those that are trusted, the one that signs first. */
  readonly trusted: readonly CertificateAuthority[];
  /** Why nobody is to be let in by them: they could not be read for too long, and one may have been retired. Undefined where they could. */
  readonly outdated: FederationError | undefined;
  /**
   * Reads them anew, as they are when this is called or later.
   *
   * @throws where that could not be done; those that were known stay, and count for five minutes
   */
  reload(): Promise<void>;
  /** From now on `listener` is called with each change, once `trusted` says it, and now for what has changed before. */
  onChange(listener: (change: AuthoritiesChange) => void): void;
}

/** What has changed of them. */
export interface AuthoritiesChange {
  /** Whether another one signs. */
  signer: boolean;
}

/**
 * Another gateway of the database may trust, and sign by, an authority that this one has not read of, or have retired one. So one that could
 * not read them for so long, ms, signs nothing and lets nobody in; the database counts on it (sql/80_home/055_authority_rotation.sql).
 */
const LEASE_MS = 5 * 60_000;

/**
 * Follows the authorities of a database, from those that were opened at the start.
 *
 * @param options.read reads those that are trusted, the one that signs first; what was opened before is opened no more
 */
export function followAuthorities(options: {
  opened: readonly CertificateAuthority[];
  read: (known: readonly CertificateAuthority[]) => Promise<readonly CertificateAuthority[]>;
}): Authorities {
  const { read } = options;
  let listener: ((change: AuthoritiesChange) => void) | undefined;
  let untold: AuthoritiesChange | undefined;
  let trusted = options.opened;
  let readAt = performance.now();
  let last = Promise.resolve();

  const reload = async (): Promise<void> => {
    const at = performance.now();
    const next = await read(trusted);
    const [signer] = next;
    if (signer === undefined) {
      throw new FederationError("UNAVAILABLE", "There is no certificate authority.");
    }
    readAt = at;
    const before = trusted;
    if (next.length === before.length && next.every((one, index) => one === before[index])) {
      return;
    }
    trusted = next;
    untold = { signer: signer !== before[0] || untold?.signer === true };
    tell();
  };
  const tell = (): void => {
    if (listener !== undefined && untold !== undefined) {
      const change = untold;
      untold = undefined;
      listener(change);
    }
  };
  const isOutdated = (): boolean => performance.now() - readAt > LEASE_MS;
  const signer = (): CertificateAuthority => {
    const [first] = trusted;
    if (first === undefined || isOutdated()) {
      throw new FederationError("UNAVAILABLE", "It is not known for now which certificate authority signs.", {
        retryAfter: 30,
      });
    }
    return first;
  };

  return {
    get trusted() {
      return trusted;
    },
    get outdated() {
      return isOutdated()
        ? new FederationError("UNAVAILABLE", "It is not known for now which certificate authorities are trusted.", {
            retryAfter: 30,
          })
        : undefined;
    },
    reload: () => {
      last = last.catch(() => undefined).then(reload);
      return last;
    },
    onChange: (next) => {
      listener = next;
      tell();
    },
    issueClientCertificate: async (request) => signer().issueClientCertificate(request),
    issueServerCertificate: async (request) => signer().issueServerCertificate(request),
  };
}
