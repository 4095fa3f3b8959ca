import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { asAdministrator } from "../database/administrator.ts";
import { FederationError } from "../errors.ts";
import { makeStepCaFiles, stepCaConfig } from "../step-ca/prepare.ts";
import { overlapOf, readAuthorityStatus } from "./authority-status.ts";
import { readEmbeddedRoot } from "./open-authority.ts";
import type { EmbeddedRoot } from "./open-authority.ts";
import { useDatabase } from "./use-database.ts";

/**
 * Writes a folder with all that a step-ca for a gateway is run with.
 *
 * @param options.below the directory of a gateway whose own root is to stay the one that peers pin
 * @returns the names of the files that were written
 * @throws FederationError CONFLICT where the folder holds something or while that gateway's root is rotated, CONFIG_INVALID where that gateway has no root of its own
 */
export async function prepareStepCa(options: {
  folder: string;
  below: string | undefined;
  password: string;
  dnsNames: readonly string[];
  address: string;
  crlUrl: string;
  provisioner: string;
}): Promise<string[]> {
  const { folder, below, password, provisioner } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (readdirSync(folder).length > 0) {
    throw new FederationError("CONFLICT", `${folder} is not empty; choose another --out`);
  }
  const root = below === undefined ? undefined : await rootOf(below);
  const made = await makeStepCaFiles({
    name: "Mosaic Federation",
    password,
    ...(root === undefined ? {} : { below: root }),
  });
  const config = stepCaConfig(
    {
      config: ".",
      key: "intermediate-key.pem",
      database: "step-ca.db",
      address: options.address,
      dnsNames: options.dnsNames,
      crlUrl: options.crlUrl,
    },
    provisioner,
    made.provisionerKey,
  );
  const files: [name: string, text: string, mode: number][] = [
    ["ca.json", `${JSON.stringify(config, null, 2)}\n`, 0o644],
    ["root.pem", made.root, 0o644],
    ["root-crl.pem", made.rootCrl, 0o644],
    ["intermediate.pem", made.intermediate, 0o644],
    ["leaf.tpl", made.template, 0o644],
    ["intermediate-key.pem", made.intermediateKey, 0o600],
    ["provisioner.jwk.json", `${made.provisionerKey}\n`, 0o600],
    ...(made.rootKey === undefined ? [] : ([["root-key.pem", made.rootKey, 0o600]] as [string, string, number][])),
  ];
  for (const [name, text, mode] of files) {
    writeFileSync(join(folder, name), text, { mode });
  }
  return files.map(([name]) => name);
}

async function rootOf(directory: string): Promise<EmbeddedRoot> {
  const root = await useDatabase(directory, ({ adminUrl, keyring }) =>
    asAdministrator(adminUrl, async (client) => {
      const overlap = overlapOf(await readAuthorityStatus(client));
      if (overlap !== undefined) {
        throw new FederationError(
          "CONFLICT",
          `a rotation of the root is on, and step-ca would know one of the two only: the older retires ${overlap.retires} (mosaic ca status)`,
        );
      }
      return readEmbeddedRoot(client, keyring);
    }),
  );
  if (root === undefined) {
    throw new FederationError("CONFIG_INVALID", `the gateway of ${directory} has no root of its own`);
  }
  return root;
}
