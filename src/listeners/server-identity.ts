import type { Logger } from "pino";
import { federationUrl, publicUrl } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { CertificateAuthority } from "../pki/authority.ts";
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

/** After a failure it is tried again this often in what is left of the certificate's life, but no more often than each second. */
const TRIES = 20;

/**
 * Makes a server certificate, signed by the gateway's own root, which peers pin. Its key never leaves memory.
 *
 * @throws FederationError UNAVAILABLE where the authority is away
 */
export async function createServerIdentity(
  authority: CertificateAuthority,
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

/**
 * Replaces a server certificate before it ends, for as long as the gateway runs: after two thirds of its life, and again and again if
 * that fails. Connections that are open keep the one that they were made with.
 *
 * @param options.apply gives the new one to the listeners
 * @returns what ends it
 */
export function keepServerIdentity(options: {
  first: ServerIdentity;
  make: () => Promise<ServerIdentity>;
  apply: (identity: ServerIdentity) => void;
  log: Logger;
}): () => Promise<void> {
  const { first, make, apply, log } = options;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const after = (ms: number, identity: ServerIdentity): void => {
    timer = setTimeout(() => void renew(identity), ms);
  };
  const renew = async (current: ServerIdentity): Promise<void> => {
    try {
      const next = await make();
      if (!ended) {
        apply(next);
        log.info({ notAfter: next.notAfter.toISOString() }, "the server certificate was renewed");
        after(renewalIn(next), next);
      }
    } catch (error) {
      const left = current.notAfter.getTime() - Date.now();
      log.warn({ err: error, leftMs: left }, "the server certificate could not be renewed; it is tried again");
      if (!ended) {
        after(Math.max(left / TRIES, 1_000), current);
      }
    }
  };
  after(renewalIn(first), first);
  return () => {
    ended = true;
    clearTimeout(timer);
    return Promise.resolve();
  };
}

function renewalIn({ notBefore, notAfter }: ServerIdentity): number {
  const life = notAfter.getTime() - notBefore.getTime();
  return Math.max(notBefore.getTime() + (life * 2) / 3 - Date.now(), 1_000);
}
