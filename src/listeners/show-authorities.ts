import type { Server } from "node:https";
import type { Logger } from "pino";
import type { Config } from "../config/schema.ts";
import type { Revocations } from "../revocation/revocations.ts";
import type { Authorities } from "../setup/follow-authorities.ts";
import type { FederationListener } from "./federation.ts";
import { publicTls } from "./public.ts";
import { createServerIdentity, keepServerIdentity, SERVER_LIFETIME_SECONDS } from "./server-identity.ts";
import type { ServerIdentity } from "./server-identity.ts";

/** What the listeners show. */
export interface ShownAuthorities {
  /** The server certificate that new connections get. */
  readonly serving: ServerIdentity;
  close(): Promise<void>;
}

/**
 * Has the listeners trust the authorities that are trusted, show a server certificate of the one that signs, and publish a list of each,
 * through every change of them; and renews that certificate before it ends.
 *
 * @param options.first the certificate that the listeners were opened with
 */
export function showAuthorities(options: {
  authorities: Authorities;
  config: Config;
  first: ServerIdentity;
  federation: FederationListener;
  open: Server;
  revocations: Revocations;
  log: Logger;
}): ShownAuthorities {
  const { authorities, config, first, federation, open, revocations, log } = options;
  let serving = first;
  const apply = (next: ServerIdentity): void => {
    serving = next;
    federation.retrust({ identity: next, trustedRoots: authorities.trusted.map(({ rootPem }) => rootPem) });
    open.setSecureContext(publicTls(next));
  };
  const make = (): Promise<ServerIdentity> => createServerIdentity(authorities, config, SERVER_LIFETIME_SECONDS);
  const kept = keepServerIdentity({ first, make, apply, log });
  authorities.onChange(({ signer }) => {
    const trusted = authorities.trusted.map(({ rootFingerprint }) => rootFingerprint);
    log.info({ signs: trusted[0], trusted }, "the roots that are trusted, or which one signs, have changed");
    apply(serving);
    if (signer) {
      kept.renewNow();
    }
    revocations.note({}).catch((error: unknown) => {
      log.warn({ err: error }, "the lists of revoked certificates could not be made anew");
    });
  });
  return {
    get serving() {
      return serving;
    },
    close: () => kept.close(),
  };
}
