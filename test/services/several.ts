import { randomBytes } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";
import { createGrant, credentialsOf } from "../../src/demo/actors.ts";
import type { Credentials } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import type { MtlsAnswer } from "../../src/demo/mtls-request.ts";
import { fillWorld, WORK } from "../../src/demo/world.ts";
import { enroll } from "../../src/client/enroll.ts";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { initGateway } from "../../src/setup/init.ts";
import { onDatabase } from "./migrate-harness.ts";
import type { Served } from "./processes.ts";

const { postgres, valkey, stepCa } = readDescription(layoutOf(process.env).description) ?? {};
if (postgres === undefined || valkey === undefined || stepCa === undefined) {
  throw new Error("the services do not run; start them with: npm run services:up");
}

/** step-ca's root, as PEM: what a peer pins. */
export const ca = readFileSync(stepCa.rootFile, "utf8");
/** What the grants of these tests may read. */
export const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };

/** The certificate of an enrolled peer, its key, and the grant they are for. */
export interface Enrolled extends Credentials {
  grantId: string;
}

/** Three gateways of tier federated on one database of their own; the test starts them, one on each directory. */
export interface SeveralGateways {
  directories: string[];
  databaseUrl: string;
  gateways: Served[];
  at: (index: number) => Served;
  admin: <T extends object>(sql: string, values?: unknown[]) => Promise<T[]>;
  newGrant: (subject: string, gateway?: number) => Promise<Enrolled>;
  remove: () => Promise<void>;
}

/** Says the verb of `documentId` to one gateway, on a connection of its own. */
export const say = (
  gateway: Served,
  grant: Credentials,
  documentId: string,
  variables: unknown = {},
): Promise<MtlsAnswer> => mtlsRequest({ url: gateway.federationUrl, ca, ...grant, body: { documentId, variables } });

/** Makes the database, the three directories and what stands in them. */
export const layOutSeveral = async (): Promise<SeveralGateways> => {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-several-"));
  const name = `several_${randomBytes(6).toString("hex")}`;
  await onDatabase(postgres.url, (client) => client.query(`create database ${name}`));
  const databaseUrl = Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href;
  const first = join(folder, "first");
  await initGateway({
    directory: first,
    config: {
      version: 2,
      tier: "federated",
      host: "work.localhost",
      stepCa: { url: stepCa.url, rootFile: "step-ca-root.pem", provisioner: stepCa.provisioner },
    },
    databaseUrl,
    services: { valkeyUrl: valkey.url, stepCaRoot: ca, stepCaKey: readFileSync(stepCa.keyFile, "utf8") },
    sample: true,
    log: () => undefined,
  });
  await fillWorld(databaseUrl, WORK);
  // Another gateway of the same database: its own directory, the same configuration, the same secrets.
  const others = ["second", "third"].map((other) => {
    const directory = join(folder, other);
    mkdirSync(directory, { mode: 0o700 });
    for (const file of ["mosaic.config.json", "step-ca-root.pem"]) {
      cpSync(join(first, file), join(directory, file));
    }
    symlinkSync(join(first, "secrets"), join(directory, "secrets"));
    return directory;
  });
  const gateways: Served[] = [];
  const at = (index: number): Served => {
    const gateway = gateways[index % gateways.length];
    if (gateway === undefined) {
      throw new Error("no gateway runs");
    }
    return gateway;
  };
  return {
    directories: [first, ...others],
    databaseUrl,
    gateways,
    at,
    admin: (sql, values = []) =>
      onDatabase(databaseUrl, async (client) => (await client.query(sql, values)).rows as never),
    newGrant: async (subject, gateway = 0) => {
      const { grantId, url } = await createGrant(first, subject, SCOPE);
      const parsed = parseEnrollmentUrl(url);
      return { grantId, ...credentialsOf(await enroll({ ...parsed, publicUrl: at(gateway).publicUrl }, 10_000)) };
    },
    remove: async () => {
      await Promise.all(gateways.map((gateway) => gateway.stop()));
      await onDatabase(postgres.url, (client) => client.query(`drop database ${name} with (force)`));
      rmSync(folder, { recursive: true, force: true });
    },
  };
};
