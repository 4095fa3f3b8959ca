import type { X509Certificate } from "node:crypto";
import { FederationError } from "../errors.ts";
import { pemToDer, readX509 } from "./der.ts";
import { readPeerIdentity } from "./identity.ts";
import type { PeerIdentity } from "./identity.ts";
import { publicKeyOf } from "./keys.ts";

const CODE = "CERTIFICATE_INVALID";

/**
 * Whether a root vouches for a certificate, through intermediates where there are some: each of these signs the one before it, is an
 * authority and is valid now, as the root is (RFC 5280 §6, without what TLS checks again). Of the certificate itself only who signed it
 * counts. The root may vouch for any of them: a chain may go on to an older root than the one that is trusted.
 *
 * @throws FederationError CERTIFICATE_INVALID where one of them is no certificate
 */
export function isVouchedFor(options: {
  certificateDer: Buffer;
  chainPem: readonly string[];
  rootPem: string;
}): boolean {
  const read = (pem: string): X509Certificate => readX509(pemToDer(pem, "CERTIFICATE", CODE), CODE);
  const root = read(options.rootPem);
  let below = readX509(options.certificateDer, CODE);
  for (const issuer of options.chainPem.map(read)) {
    if (vouches(root, below)) {
      return true;
    }
    if (!vouches(issuer, below)) {
      return false;
    }
    below = issuer;
  }
  return vouches(root, below);
}

/**
 * Checks that a root vouches for a certificate.
 *
 * @throws FederationError CERTIFICATE_INVALID
 */
export function verifyChain(options: { certificateDer: Buffer; chainPem: readonly string[]; rootPem: string }): void {
  if (!isVouchedFor(options)) {
    throw refused("it is not signed by a root that is trusted");
  }
}

/**
 * Whether one of some roots signed a certificate itself. Of the intermediates that came with it by TLS 1.3, Node keeps nothing on the side of
 * the server: one that they vouch for is not recognised.
 */
export function isSignedByOne(certificate: X509Certificate, roots: readonly X509Certificate[]): boolean {
  return roots.some((root) => vouches(root, certificate));
}

function vouches(issuer: X509Certificate, below: X509Certificate): boolean {
  return issuer.ca && isValidNow(issuer) && below.checkIssued(issuer) && below.verify(issuer.publicKey);
}

/**
 * What an enrolling gateway checks of the certificate it was given: a root that it trusts signed it, the key is ours, it is valid now,
 * and it says who it speaks for.
 *
 * @param options.chainPem intermediates up to the root
 * @param options.rootsPem any of these may vouch for it
 * @throws FederationError CERTIFICATE_INVALID
 */
export function verifyIssued(options: {
  certificatePem: string;
  chainPem: readonly string[];
  rootsPem: readonly string[];
  privateKeyPem: string;
  oidArc: string;
}): PeerIdentity & { notAfter: Date } {
  const der = pemToDer(options.certificatePem, "CERTIFICATE", CODE);
  const certificate = readX509(der, CODE);
  if (!options.rootsPem.some((rootPem) => isVouchedFor({ certificateDer: der, chainPem: options.chainPem, rootPem }))) {
    throw refused("it is not signed by a root that is trusted");
  }
  if (!certificate.publicKey.export({ type: "spki", format: "der" }).equals(publicKeyOf(options.privateKeyPem))) {
    throw refused("it is for another key");
  }
  if (!isValidNow(certificate)) {
    throw refused("it is not valid now; compare the clocks of both gateways");
  }
  try {
    return { ...readPeerIdentity(der, options.oidArc), notAfter: new Date(certificate.validTo) };
  } catch (cause) {
    throw refused("it does not say who it speaks for", cause);
  }
}

/** Whether a certificate has begun and not ended. */
export function isValidNow(certificate: X509Certificate): boolean {
  const now = Date.now();
  return new Date(certificate.validFrom).getTime() <= now && new Date(certificate.validTo).getTime() > now;
}

function refused(why: string, cause?: unknown): FederationError {
  return new FederationError(CODE, `the certificate that was issued cannot be used: ${why}`, { cause });
}
