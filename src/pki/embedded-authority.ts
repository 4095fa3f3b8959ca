import { createPrivateKey } from "node:crypto";
import { FederationError } from "../errors.ts";
import type { CertificateAuthority, IssuedCertificate } from "./authority.ts";
import { nameOf, serverAltName, signCertificate, subjectNameOf } from "./certificate.ts";
import type { CertificateRequest, Issuer } from "./certificate.ts";
import { buildCrl, readCrl } from "./crl.ts";
import { readCsr } from "./csr.ts";
import { derToPem, readX509, writeDer } from "./der.ts";
import { subjectAltNameOf } from "./identity.ts";
import { generateKeyPair } from "./keys.ts";
import { fingerprintOf } from "./verify.ts";

// Clocks of two organisations disagree a little.
const BACKDATED_MS = 60_000;
const CRL_LIFETIME_SECONDS = 86_400;

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

/** An authority within the gateway's own process. */
export function createEmbeddedAuthority(options: {
  certificateDer: Buffer;
  privateKeyDer: Buffer;
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
  const issuer: Issuer = {
    nameDer: subjectNameOf(certificateDer),
    publicKeyDer: root.publicKey.export({ type: "spki", format: "der" }),
    privateKeyDer,
  };

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
      chainPem: [],
      serial: readX509(der, "CERTIFICATE_INVALID").serialNumber.toLowerCase(),
      notBefore,
      notAfter,
      fingerprint: fingerprintOf(der),
    };
  };

  return {
    rootPem: derToPem(certificateDer, "CERTIFICATE"),
    rootFingerprint: fingerprintOf(certificateDer),
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
      const der = buildCrl({ revoked, number, lifetimeSeconds: CRL_LIFETIME_SECONDS }, issuer);
      const { thisUpdate, nextUpdate } = readCrl(der, certificateDer);
      return Promise.resolve({ der, number, thisUpdate, nextUpdate });
    },
  };
}
