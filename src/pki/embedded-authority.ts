import { createPrivateKey } from "node:crypto";
import type { X509Certificate } from "node:crypto";
import { FederationError } from "../errors.ts";
import type { CertificateAuthority, IssuedCertificate } from "./authority.ts";
import { nameOf, serverAltName, signCertificate, subjectNameOf } from "./certificate.ts";
import type { CertificateRequest, Issuer } from "./certificate.ts";
import { buildCrl } from "./crl.ts";
import { readCsr } from "./csr.ts";
import { derToPem, fingerprintOf, readX509, writeDer } from "./der.ts";
import { subjectAltNameOf } from "./identity.ts";
import { generateKeyPair } from "./keys.ts";

// Clocks of two organisations disagree a little.
const BACKDATED_MS = 60_000;
/** Twice as long as a clock may jump. */
const CRL_LIFETIME_MS = 2 * 86_400_000;

/**
 * A self-signed root, which signs leaves and CRLs itself.
 *
 * @param options.authoritiesBelow how many levels of authorities may stand below it: one, so that a certificate server can take over
 * without that peers pin another root
 */
export function createRoot(options: { commonName: string; lifetimeDays: number; authoritiesBelow?: number }): {
  certificateDer: Buffer;
  /** PKCS#8. */
  privateKeyDer: Buffer;
} {
  const { privateKeyDer, publicKeyDer } = generateKeyPair();
  const notBefore = new Date(Date.now() - BACKDATED_MS);
  const certificateDer = signCertificate(
    {
      commonName: options.commonName,
      publicKeyDer,
      notBefore,
      notAfter: new Date(notBefore.getTime() + options.lifetimeDays * 86_400_000),
      usage: "authority",
      authoritiesBelow: options.authoritiesBelow ?? 1,
    },
    { nameDer: writeDer(nameOf(options.commonName)), publicKeyDer, privateKeyDer },
  );
  return { certificateDer, privateKeyDer };
}

/**
 * Certifies a root's key by the root before it (RFC 4210 §4.4, "NewWithOld"): who trusts only that one is led to the new one by this
 * certificate in a chain. It says the same subject and the same key, allows no authority below, and ends with the sooner of both.
 *
 * @param predecessor a root that allows an authority below it
 * @returns DER
 */
export function crossCertify(
  root: { commonName: string; certificateDer: Buffer },
  predecessor: { certificateDer: Buffer; privateKeyDer: Buffer },
): Buffer {
  const next = readX509(root.certificateDer, "CERTIFICATE_INVALID");
  const before = readX509(predecessor.certificateDer, "CERTIFICATE_INVALID");
  const sooner = Math.min(new Date(next.validTo).getTime(), new Date(before.validTo).getTime());
  return signCertificate(
    {
      commonName: root.commonName,
      publicKeyDer: next.publicKey.export({ type: "spki", format: "der" }),
      notBefore: new Date(next.validFrom),
      notAfter: new Date(sooner),
      usage: "authority",
    },
    issuerOf(before, predecessor.privateKeyDer),
  );
}

function issuerOf(certificate: X509Certificate, privateKeyDer: Buffer): Issuer {
  return {
    nameDer: subjectNameOf(certificate.raw),
    publicKeyDer: certificate.publicKey.export({ type: "spki", format: "der" }),
    privateKeyDer,
  };
}

/** An authority within the gateway's own process. */
export function createEmbeddedAuthority(options: {
  certificateDer: Buffer;
  privateKeyDer: Buffer;
  /** Its key as the root before it certified it: goes with each certificate, for who has pinned that one. */
  crossCertificateDer?: Buffer | undefined;
  oidArc: string;
  /** Where the list of revoked certificates is published. */
  crlUrl: string;
}): CertificateAuthority {
  const { certificateDer, privateKeyDer, oidArc, crlUrl } = options;
  const root = readX509(certificateDer, "CERTIFICATE_INVALID");
  if (!root.checkPrivateKey(createPrivateKey({ key: privateKeyDer, format: "der", type: "pkcs8" }))) {
    throw new FederationError("CONFIG_INVALID", "the root certificate and its key do not belong together");
  }
  const rootEnds = new Date(root.validTo).getTime();
  const issuer = issuerOf(root, privateKeyDer);
  const cross =
    options.crossCertificateDer === undefined
      ? undefined
      : readX509(options.crossCertificateDer, "CERTIFICATE_INVALID");
  /** Once the older root has ended, nobody is led from it any more. */
  const chainPem = (): string[] =>
    cross !== undefined && new Date(cross.validTo).getTime() > Date.now() ? [derToPem(cross.raw, "CERTIFICATE")] : [];

  const issue = (
    csrPem: string,
    lifetimeSeconds: number,
    request: Omit<CertificateRequest, "publicKeyDer" | "notBefore" | "notAfter">,
  ): IssuedCertificate => {
    // X.509 counts whole seconds.
    const now = Math.floor(Date.now() / 1000) * 1000;
    const notBefore = new Date(now - BACKDATED_MS);
    const notAfter = new Date(Math.min(now + lifetimeSeconds * 1000, rootEnds));
    const der = signCertificate(
      { ...request, publicKeyDer: readCsr(csrPem).publicKeyDer, notBefore, notAfter },
      issuer,
    );
    return {
      certificatePem: derToPem(der, "CERTIFICATE"),
      certificateDer: der,
      chainPem: chainPem(),
      serial: readX509(der, "CERTIFICATE_INVALID").serialNumber.toLowerCase(),
      notBefore,
      notAfter,
      fingerprint: fingerprintOf(der),
    };
  };

  const rootFingerprint = fingerprintOf(certificateDer);
  return {
    kind: "embedded",
    rootPem: derToPem(certificateDer, "CERTIFICATE"),
    rootFingerprint,
    issueClientCertificate: async ({ csrPem, identity, lifetimeSeconds }) =>
      Promise.resolve(
        issue(csrPem, lifetimeSeconds, {
          commonName: identity.grantId,
          usage: "client",
          subjectAltName: subjectAltNameOf(identity, oidArc),
          crlUrl,
        }),
      ),
    issueServerCertificate: async ({ csrPem, names, lifetimeSeconds }) =>
      Promise.resolve(
        issue(csrPem, lifetimeSeconds, {
          commonName: names[0] ?? "gateway",
          usage: "server",
          subjectAltName: serverAltName(names),
        }),
      ),
    publishCrl: async ({ revoked, number }) => {
      // X.509 counts whole seconds.
      const thisUpdate = new Date(Math.floor(Date.now() / 1000) * 1000);
      const nextUpdate = new Date(thisUpdate.getTime() + CRL_LIFETIME_MS);
      const der = buildCrl({ revoked, number, thisUpdate, nextUpdate }, issuer);
      return Promise.resolve({ der, issuer: rootFingerprint, number, thisUpdate, nextUpdate });
    },
  };
}
