import { createHash } from "node:crypto";
import { FederationError } from "../errors.ts";
import { pemToDer, readX509 } from "./der.ts";
import { readPeerIdentity } from "./identity.ts";
import type { PeerIdentity } from "./identity.ts";
import { publicKeyOf } from "./keys.ts";

const CODE = "CERTIFICATE_INVALID";

/** SHA-256 of a DER structure, hex. */
export function fingerprintOf(der: Buffer): string {
  return createHash("sha256").update(der).digest("hex");
}

/**
 * What an enrolling gateway checks of the certificate it was given: the pinned root signed it, the key is ours, it is valid now, and
 * it says who it speaks for.
 *
 * @throws FederationError CERTIFICATE_INVALID
 */
export function verifyIssued(options: {
  certificatePem: string;
  rootPem: string;
  privateKeyPem: string;
  oidArc: string;
}): PeerIdentity & { notAfter: Date } {
  const der = pemToDer(options.certificatePem, "CERTIFICATE", CODE);
  const certificate = readX509(der, CODE);
  const root = readX509(pemToDer(options.rootPem, "CERTIFICATE", CODE), CODE);
  if (!root.ca || !certificate.checkIssued(root) || !certificate.verify(root.publicKey)) {
    throw refused("it is not signed by the root that the enrollment URL names");
  }
  if (!certificate.publicKey.export({ type: "spki", format: "der" }).equals(publicKeyOf(options.privateKeyPem))) {
    throw refused("it is for another key");
  }
  const notAfter = new Date(certificate.validTo);
  const now = Date.now();
  if (new Date(certificate.validFrom).getTime() > now || notAfter.getTime() <= now) {
    throw refused("it is not valid now; compare the clocks of both gateways");
  }
  try {
    return { ...readPeerIdentity(der, options.oidArc), notAfter };
  } catch (cause) {
    throw refused("it does not say who it speaks for", cause);
  }
}

function refused(why: string, cause?: unknown): FederationError {
  return new FederationError(CODE, `the certificate that was issued cannot be used: ${why}`, { cause });
}
