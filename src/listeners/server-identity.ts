import type { Logger } from "pino";
import { federationUrl, publicUrl } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { CertificateIssuer } from "../pki/authority.ts";
import { createCsr } from "../pki/csr.ts";
import { generateKeyPair } from "../pki/keys.ts";

/** The certificate by which the TLS listeners prove to be this gateway, with its chain, and its key, PEM. */
export interface ServerIdentity {
  certificate: string;
  key: string;
  notBefore: Date;
  notAfter: Date;
}

/** A certificate lives for 30 days, and a new one is made at every start and long before its end. */
export const SERVER_LIFETIME_SECONDS = 30 * 86_400;

/** After a failure it is tried again this often in what is left of the certificate's life, at least each minute and at most each second. */
const TRIES = 20;

/**
 * Makes a server certificate, signed by the gateway's own root, which peers pin. Its key never leaves memory.
 *
 * @throws FederationError UNAVAILABLE where the authority is away
 */
export async function createServerIdentity(
  authority: CertificateIssuer,
  config: Config,
  lifetimeSeconds: number,
): Promise<ServerIdentity> {
  const { privateKeyPem } = generateKeyPair();
  const hosts = [config.host, ...[federationUrl(config), publicUrl(config)].map((url) => new URL(url).hostname)];
  const { certificatePem, chainPem, notBefore, notAfter } = await authority.issueServerCertificate({
    csrPem: createCsr({ privateKeyPem, commonName: config.host }),
    names: [...new Set([...hosts, "localhost", "127.0.0.1"])],
    lifetimeSeconds,
  });
  return { certificate: [certificatePem, ...chainPem].join(""), key: privateKeyPem, notBefore, notAfter };
}

/** How often it is looked whether it is time, ms: a timer knows nothing of a clock that has jumped. */
const LOOK_MS = 60_000;

/** What keeps a server certificate good. */
export interface KeptServerIdentity {
  /** Replaces it now, because another authority signs; if that fails, it is tried again. */
  renewNow(): void;
  close(): Promise<void>;
}

/**
 * Replaces a server certificate before it ends, for as long as the gateway runs: after two thirds of its life, or where the clock was set back
 * to before it, and again and again if that fails. Connections that are open keep the one that they were made with.
 *
 * @param options.apply gives the new one to the listeners
 */
export function keepServerIdentity(options: {
  first: ServerIdentity;
  make: () => Promise<ServerIdentity>;
  apply: (identity: ServerIdentity) => void;
  log: Logger;
}): KeptServerIdentity {
  const { make, apply, log } = options;
  let current = options.first;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  let renewing: Promise<void> | undefined;
  const after = (ms: number, next: () => void): void => {
    clearTimeout(timer);
    if (!ended) {
      timer = setTimeout(next, ms);
    }
  };
  const look = (): void => {
    if (isDue(current)) {
      renew();
    } else {
      after(lookIn(current), look);
    }
  };
  const renewOnce = async (): Promise<void> => {
    try {
      const next = await make();
      if (!ended) {
        current = next;
        apply(next);
        log.info({ notAfter: next.notAfter.toISOString() }, "the server certificate was renewed");
        after(lookIn(next), look);
      }
    } catch (error) {
      const left = current.notAfter.getTime() - Date.now();
      log.warn({ err: error, leftMs: left }, "the server certificate could not be renewed; it is tried again");
      after(Math.min(Math.max(left / TRIES, 1_000), 60_000), renew);
    }
  };
  // One after the other: what was asked for last is by whoever signs now.
  const renew = (): void => {
    renewing = (renewing ?? Promise.resolve()).then(renewOnce);
  };
  after(lookIn(current), look);
  return {
    renewNow: renew,
    close: () => {
      ended = true;
      clearTimeout(timer);
      return Promise.resolve();
    },
  };
}

/** When two thirds of its life are over, ms since 1970. */
function dueAt({ notBefore, notAfter }: ServerIdentity): number {
  return notBefore.getTime() + ((notAfter.getTime() - notBefore.getTime()) * 2) / 3;
}

function isDue(identity: ServerIdentity): boolean {
  return Date.now() >= dueAt(identity) || Date.now() < identity.notBefore.getTime();
}

function lookIn(identity: ServerIdentity): number {
  return Math.min(Math.max(dueAt(identity) - Date.now(), 1_000), LOOK_MS);
}
