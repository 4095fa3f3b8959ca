import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair as generateJwk } from "jose";
import { packageRoot } from "../config/package-root.ts";
import { signCertificate, subjectNameOf } from "../pki/certificate.ts";
import { buildCrl } from "../pki/crl.ts";
import { derToPem } from "../pki/der.ts";
import { createRoot } from "../pki/embedded-authority.ts";
import { generateKeyPair } from "../pki/keys.ts";

/** What step-ca is run with, and who asks it. */
export interface StepCaFiles {
  /** PEM: what peers pin. */
  root: string;
  /** PEM, where the root was made here: to be kept away from every server. */
  rootKey?: string;
  /** The root's own list, empty, PEM: OpenSSL asks for one of each level of a chain. */
  rootCrl: string;
  /** PEM. */
  intermediate: string;
  /** PKCS#8 PEM, encrypted with the password. */
  intermediateKey: string;
  /** Private JSON Web Key of the provisioner: the gateway's. */
  provisionerKey: string;
  /** The template of every certificate. */
  template: string;
}

const DAY_MS = 86_400_000;
const ROOT_DAYS = 3_650;
const INTERMEDIATE_DAYS = 1_825;
const BACKDATED_MS = 60_000;

/**
 * Makes all that a step-ca for a gateway needs: an intermediate below a root, and a provisioner of its own.
 *
 * @param options.name what the certificates are called by people
 * @param options.password encrypts the intermediate's key
 * @param options.below the root that the gateway signed with before, so that its peers pin nothing new; without it one is made
 */
export async function makeStepCaFiles(options: {
  name: string;
  password: string;
  below?: { certificateDer: Buffer; privateKeyDer: Buffer };
}): Promise<StepCaFiles> {
  const { name, password, below } = options;
  const root = below ?? createRoot({ commonName: `${name} root`, lifetimeDays: ROOT_DAYS });
  const rootCertificate = new X509Certificate(root.certificateDer);
  const issuer = {
    nameDer: subjectNameOf(root.certificateDer),
    publicKeyDer: rootCertificate.publicKey.export({ type: "spki", format: "der" }),
    privateKeyDer: root.privateKeyDer,
  };
  const rootEnds = new Date(rootCertificate.validTo).getTime();
  // X.509 counts whole seconds.
  const now = Math.floor(Date.now() / 1000) * 1000;
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const intermediate = signCertificate(
    {
      commonName: `${name} intermediate`,
      publicKeyDer,
      notBefore: new Date(now - BACKDATED_MS),
      notAfter: new Date(Math.min(now + INTERMEDIATE_DAYS * DAY_MS, rootEnds)),
      usage: "authority",
    },
    issuer,
  );
  const rootCrl = buildCrl(
    { revoked: [], number: 1, thisUpdate: new Date(now), nextUpdate: new Date(rootEnds) },
    issuer,
  );
  return {
    root: derToPem(root.certificateDer, "CERTIFICATE"),
    ...(below === undefined ? { rootKey: derToPem(root.privateKeyDer, "PRIVATE KEY") } : {}),
    rootCrl: derToPem(rootCrl, "X509 CRL"),
    intermediate: derToPem(intermediate, "CERTIFICATE"),
    intermediateKey: createPrivateKey(privateKeyPem)
      .export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: password })
      .toString(),
    provisionerKey: await makeProvisionerKey(),
    template: readFileSync(join(packageRoot(), "services", "step-ca", "leaf.tpl"), "utf8"),
  };
}

async function makeProvisionerKey(): Promise<string> {
  const { privateKey } = await generateJwk("ES256", { extractable: true });
  const jwk = await exportJWK(privateKey);
  return JSON.stringify({ ...jwk, kid: await calculateJwkThumbprint(jwk), alg: "ES256", use: "sig" });
}

/** How step-ca is to find its files and where it listens. */
export interface StepCaPlace {
  /** The folder of certificates and template. */
  config: string;
  /** The file of the intermediate's key. */
  key: string;
  /** The database's file. */
  database: string;
  address: string;
  dnsNames: readonly string[];
  /** What certificates name as the place of the list; the list must name the same, to the letter. */
  crlUrl: string;
}

/**
 * step-ca's configuration: one JWK provisioner, no renewal without a token, no other way in.
 *
 * @param provisionerKey JSON Web Key, of which only the public half goes in
 */
export function stepCaConfig(place: StepCaPlace, provisioner: string, provisionerKey: string): object {
  const { kid, kty, crv, x, y, alg, use } = JSON.parse(provisionerKey) as Record<string, string>;
  return {
    root: `${place.config}/root.pem`,
    crt: `${place.config}/intermediate.pem`,
    key: place.key,
    address: place.address,
    dnsNames: place.dnsNames,
    logger: { format: "json" },
    db: { type: "bbolt", dataSource: place.database },
    crl: { enabled: true, generateOnRevoke: true, cacheDuration: "48h", renewPeriod: "16h", idpURL: place.crlUrl },
    authority: {
      enableAdmin: false,
      provisioners: [
        {
          type: "JWK",
          name: provisioner,
          // `encryptedKey` is left out: step-ca would give it to anybody who asks.
          key: { kid, kty, crv, x, y, alg, use },
          claims: {
            minTLSCertDuration: "5m",
            defaultTLSCertDuration: "720h",
            maxTLSCertDuration: "720h",
            // A renewal without a token would make a serial that the gateway never recorded.
            disableRenewal: true,
            enableSSHCA: false,
            disableSmallstepExtensions: true,
          },
          options: { x509: { templateFile: `${place.config}/leaf.tpl` } },
        },
      ],
    },
    tls: { minVersion: 1.3, maxVersion: 1.3 },
  };
}
