import { createHash, createPrivateKey } from "node:crypto";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { calculateJwkThumbprint, exportJWK, generateKeyPair as generateJwk } from "jose";
import { packageRoot } from "../../src/config/package-root.ts";
import { subjectNameOf, signCertificate } from "../../src/pki/certificate.ts";
import { buildCrl } from "../../src/pki/crl.ts";
import { derToPem, pemToDer, readX509 } from "../../src/pki/der.ts";
import { createRoot } from "../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import type { Layout } from "./layout.ts";
import { handOver, secret } from "./secrets.ts";

// Certificates and ca.json, which hold nothing secret: in a container they are read by a user of its own.
const SHARED = 0o644;

/** The provisioner's name: the `iss` of its tokens. */
export const PROVISIONER = "mosaic";

const DAY_MS = 86_400_000;
const ROOT_DAYS = 3_650;
const INTERMEDIATE_DAYS = 1_825;

/** What step-ca is run with, and by whom it is asked. */
export interface AuthorityFiles {
  rootFile: string;
  /** SHA-256 of the root's DER, hex. */
  rootFingerprint: string;
  /** The root's own, empty list: Node asks for one of each level of a chain. */
  rootCrlFile: string;
  /** Private JWK of the provisioner. */
  keyFile: string;
}

/** Makes root, intermediate, the root's list and the provisioner's key on the first call. The root's key stays out of step-ca's folder. */
export async function prepareAuthority(layout: Layout): Promise<AuthorityFiles> {
  const file = (name: string): string => join(layout.authority, name);
  const config = join(layout.stepCa, "config");
  for (const folder of [
    config,
    join(layout.stepCa, "secrets"),
    join(layout.stepCa, "db"),
    join(layout.stepCa, "bin"),
  ]) {
    mkdirSync(folder, { recursive: true });
  }
  // The last file that is made says that all are there.
  if (!existsSync(file("provisioner.jwk.json"))) {
    const root = createRoot({ commonName: "Mosaic services root", lifetimeDays: ROOT_DAYS });
    const issuer = {
      nameDer: subjectNameOf(root.certificateDer),
      publicKeyDer: readX509(root.certificateDer, "CERTIFICATE_INVALID").publicKey.export({
        type: "spki",
        format: "der",
      }),
      privateKeyDer: root.privateKeyDer,
    };
    const intermediate = generateKeyPair();
    const notBefore = new Date(Math.floor(Date.now() / 1000) * 1000 - 60_000);
    const intermediateDer = signCertificate(
      {
        commonName: "Mosaic services intermediate",
        publicKeyDer: intermediate.publicKeyDer,
        notBefore,
        notAfter: new Date(notBefore.getTime() + INTERMEDIATE_DAYS * DAY_MS),
        usage: "authority",
      },
      issuer,
    );
    const crl = buildCrl({ revoked: [], number: 1, lifetimeSeconds: (ROOT_DAYS * DAY_MS) / 1000 }, issuer);
    writeFileSync(file("root.pem"), derToPem(root.certificateDer, "CERTIFICATE"), { mode: SHARED });
    writeFileSync(file("intermediate.pem"), derToPem(intermediateDer, "CERTIFICATE"), { mode: SHARED });
    writeFileSync(file("root-crl.pem"), derToPem(crl, "X509 CRL"), { mode: SHARED });
    writeFileSync(file("root-key.pem"), derToPem(root.privateKeyDer, "PRIVATE KEY"), { mode: 0o600 });
    const encrypted = createPrivateKey(intermediate.privateKeyPem).export({
      type: "pkcs8",
      format: "pem",
      cipher: "aes-256-cbc",
      passphrase: secret(layout, "step-ca-password"),
    });
    writeFileSync(join(layout.secrets, "step-ca-intermediate-key"), encrypted, { mode: 0o600 });
    const { privateKey } = await generateJwk("ES256", { extractable: true });
    const jwk = await exportJWK(privateKey);
    const kid = await calculateJwkThumbprint(jwk);
    writeFileSync(file("provisioner.jwk.json"), JSON.stringify({ ...jwk, kid, alg: "ES256", use: "sig" }), {
      mode: 0o600,
    });
  }
  for (const name of ["root.pem", "intermediate.pem"]) {
    copyFileSync(file(name), join(config, name));
  }
  copyFileSync(join(packageRoot(), "services", "step-ca", "leaf.tpl"), join(config, "leaf.tpl"));
  const rootDer = pemToDer(readFileSync(file("root.pem"), "utf8"), "CERTIFICATE", "CERTIFICATE_INVALID");
  return {
    rootFile: file("root.pem"),
    rootFingerprint: createHash("sha256").update(rootDer).digest("hex"),
    rootCrlFile: file("root-crl.pem"),
    keyFile: file("provisioner.jwk.json"),
  };
}

/** How step-ca is to find its files and where it listens. */
export interface StepCaPlace {
  config: string;
  secrets: { key: string };
  /** The database's file. */
  database: string;
  address: string;
  dnsNames: readonly string[];
  /** What certificates name as the place of the list; the list must name the same, to the letter. */
  crlUrl: string;
}

/** Writes ca.json: one JWK provisioner, no renewal without a token, no other way in. */
export function writeStepCaConfig(layout: Layout, files: AuthorityFiles, place: StepCaPlace): void {
  const { kid, kty, crv, x, y, alg, use } = JSON.parse(readFileSync(files.keyFile, "utf8")) as Record<string, string>;
  const config = {
    root: `${place.config}/root.pem`,
    crt: `${place.config}/intermediate.pem`,
    key: place.secrets.key,
    address: place.address,
    dnsNames: place.dnsNames,
    logger: { format: "json" },
    db: { type: "bbolt", dataSource: place.database },
    crl: { enabled: true, generateOnRevoke: true, cacheDuration: "24h", renewPeriod: "16h", idpURL: place.crlUrl },
    authority: {
      enableAdmin: false,
      provisioners: [
        {
          type: "JWK",
          name: PROVISIONER,
          // The public half alone. `encryptedKey` is left out: step-ca would give it to anybody who asks.
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
  const file = join(layout.stepCa, "config", "ca.json");
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`, { mode: SHARED });
}

/** Gives step-ca in its own root folder what it needs, readable to its user alone. */
export function placeStepCaSecrets(layout: Layout, owner: number | undefined): void {
  for (const name of ["step-ca-password", "step-ca-intermediate-key"]) {
    handOver(layout, name, join(layout.stepCa, "secrets", name), owner);
  }
  const database = join(layout.stepCa, "db");
  chmodSync(database, 0o700);
  if (owner !== undefined) {
    chownSync(database, owner, owner);
  }
}
