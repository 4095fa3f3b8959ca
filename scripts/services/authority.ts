import { createHash } from "node:crypto";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/config/package-root.ts";
import { pemToDer } from "../../src/pki/der.ts";
import { makeStepCaFiles, stepCaConfig } from "../../src/step-ca/prepare.ts";
import type { StepCaPlace } from "../../src/step-ca/prepare.ts";
import type { Layout } from "./layout.ts";
import { handOver, secret } from "./secrets.ts";

// Certificates and ca.json, which hold nothing secret: in a container they are read by a user of its own.
const SHARED = 0o644;

/** The provisioner's name: the `iss` of its tokens. */
export const PROVISIONER = "mosaic";

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
    const made = await makeStepCaFiles({ name: "Mosaic services", password: secret(layout, "step-ca-password") });
    writeFileSync(file("root.pem"), made.root, { mode: SHARED });
    writeFileSync(file("intermediate.pem"), made.intermediate, { mode: SHARED });
    writeFileSync(file("root-crl.pem"), made.rootCrl, { mode: SHARED });
    writeFileSync(file("root-key.pem"), made.rootKey ?? "", { mode: 0o600 });
    writeFileSync(join(layout.secrets, "step-ca-intermediate-key"), made.intermediateKey, { mode: 0o600 });
    writeFileSync(file("provisioner.jwk.json"), made.provisionerKey, { mode: 0o600 });
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

/** Writes ca.json. */
export function writeStepCaConfig(layout: Layout, files: AuthorityFiles, place: StepCaPlace): void {
  const config = stepCaConfig(place, PROVISIONER, readFileSync(files.keyFile, "utf8"));
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
