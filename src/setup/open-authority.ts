import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { ClientBase } from "pg";
import type { Logger } from "pino";
import { publicUrl, readSecret } from "../config/load.ts";
import { SECRET_VARIABLES } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import type { Sessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import type { CertificateAuthority } from "../pki/authority.ts";
import { fingerprintOf, pemToDer } from "../pki/der.ts";
import { createEmbeddedAuthority, createRoot } from "../pki/embedded-authority.ts";
import { createSealedAuthority } from "../pki/sealed-authority.ts";
import { loadKeyring } from "../seal/keyring.ts";
import type { Keyring } from "../seal/keyring.ts";
import { seal, unseal } from "../seal/seal.ts";
import { createStepCaAuthority } from "../step-ca/authority.ts";

/** How long a root is good, days. */
export const ROOT_LIFETIME_DAYS = 3650;

/** A root whose key the gateway holds itself. */
export interface EmbeddedRoot {
  certificateDer: Buffer;
  /** PKCS#8. */
  privateKeyDer: Buffer;
}

/** What embedded authorities are opened with. */
interface AuthorityOptions {
  config: Config;
  keyring: Keyring;
}

/**
 * The certificate authorities of a gateway, the one that signs first: step-ca in tier `federated`, beside which what signed by the same root
 * before goes on to sign its revocation list, else the embedded ones that are trusted,
 * of which the first is made on first use, and of which there are two while one takes over from the other.
 *
 * @param client in a transaction of an administrator
 * @throws FederationError SEAL_BROKEN where the sealing keys are not those of this database, CONFIG_INVALID where step-ca's files are not
 * usable; the database's MF031 where peers have pinned another root
 */
export async function openAuthorities(
  client: ClientBase,
  options: AuthorityOptions & { paths: GatewayPaths; log: (line: string) => void },
): Promise<CertificateAuthority[]> {
  const { config, paths, keyring, log } = options;
  if (config.tier === "federated") {
    const authority = await openStepCa(config, paths);
    await addAuthority(client, "step-ca", pemToDer(authority.rootPem, "CERTIFICATE", "CONFIG_INVALID"));
    const [before] = await readEmbeddedAuthorities(client, options);
    return [before === undefined ? authority : { ...authority, before }];
  }
  // Two gateways that start at once on a new database agree on one authority.
  await client.query("select pg_advisory_xact_lock(hashtext('federation_authorities'))");
  const root = await readEmbeddedRoot(client, keyring);
  if (root === undefined) {
    const made = createRoot({ commonName: `${config.host} federation root`, lifetimeDays: ROOT_LIFETIME_DAYS });
    const id = randomUUID();
    await addAuthority(client, "embedded", made.certificateDer, {
      id,
      sealedKey: seal(keyring, made.privateKeyDer, id),
    });
    log("certificate authority made");
  } else {
    // It may have been step-ca's root for a while.
    await addAuthority(client, "embedded", root.certificateDer);
  }
  return readEmbeddedAuthorities(client, options);
}

interface Row {
  id: string;
  certificate_der: Buffer;
  fingerprint: string;
  sealed_key: Buffer;
  cross_certificate_der: Buffer | null;
}

const EMBEDDED = `select id, certificate_der, fingerprint, sealed_key, cross_certificate_der
  from federation.list_authorities() where sealed_key is not null and retired_at is null`;

/**
 * Reads the authorities again for a gateway that runs; step-ca stays the one that it was. The sealing keys are read anew, too: they may have
 * been rotated since the start. Who is trusted does not depend on them: an authority whose key cannot be unsealed takes no other's place, and is
 * tried again at the next reading.
 */
export function authoritiesReader(options: {
  config: Config;
  paths: GatewayPaths;
  sessions: Sessions;
  log: Logger;
}): (known: readonly CertificateAuthority[]) => Promise<readonly CertificateAuthority[]> {
  const { config, paths, sessions, log } = options;
  const readAnew = async (known: readonly CertificateAuthority[]): Promise<readonly CertificateAuthority[]> => {
    const { rows } = await sessions.asGatewayOnce<Row>({ text: EMBEDDED });
    return rows.map((row) => {
      const before = known.find(({ rootFingerprint }) => rootFingerprint === row.fingerprint);
      if (before !== undefined && before.isSealed !== true) {
        return before;
      }
      try {
        return openEmbedded(row, { config, keyring: loadKeyring(paths.sealKeys) });
      } catch (cause) {
        log.error({ err: cause }, "a root that is trusted cannot sign here: its key cannot be unsealed");
        return before ?? createSealedAuthority(row.certificate_der, cause);
      }
    });
  };
  return (known) => (config.tier === "federated" ? Promise.resolve(known) : readAnew(known));
}

/**
 * The embedded authorities that are trusted, the one that signs first.
 *
 * @param client of an administrator
 * @throws FederationError SEAL_BROKEN
 */
async function readEmbeddedAuthorities(client: ClientBase, options: AuthorityOptions): Promise<CertificateAuthority[]> {
  const { rows } = await client.query<Row>(EMBEDDED);
  return rows.map((row) => openEmbedded(row, options));
}

function openEmbedded(row: Row, { config, keyring }: AuthorityOptions): CertificateAuthority {
  return createEmbeddedAuthority({
    certificateDer: row.certificate_der,
    privateKeyDer: unseal(keyring, row.sealed_key, row.id),
    crossCertificateDer: row.cross_certificate_der ?? undefined,
    oidArc: config.oidArc,
    crlUrl: `${publicUrl(config)}/crl`,
  });
}

/**
 * The root whose key the gateway has, if there is one: it signs with it, or step-ca does below it.
 *
 * @param client of an administrator
 * @throws FederationError SEAL_BROKEN
 */
export async function readEmbeddedRoot(client: ClientBase, keyring: Keyring): Promise<EmbeddedRoot | undefined> {
  const { rows } = await client.query<Row>(EMBEDDED);
  const row = rows[0];
  return row === undefined
    ? undefined
    : { certificateDer: row.certificate_der, privateKeyDer: unseal(keyring, row.sealed_key, row.id) };
}

function openStepCa({ stepCa, oidArc }: Config, paths: GatewayPaths): Promise<CertificateAuthority> {
  if (stepCa === undefined) {
    throw new FederationError("CONFIG_INVALID", 'tier federated needs "stepCa" in the configuration');
  }
  return createStepCaAuthority({
    url: stepCa.url,
    rootPem: readStepCaRoot(stepCa, paths),
    provisioner: stepCa.provisioner,
    jwkText: readSecret(paths.stepCaKey, SECRET_VARIABLES.stepCaKey),
    oidArc,
  });
}

/**
 * The root that is pinned for step-ca, PEM. Its file is named from the gateway's directory.
 *
 * @throws FederationError CONFIG_INVALID where it cannot be read
 */
export function readStepCaRoot(stepCa: NonNullable<Config["stepCa"]>, paths: GatewayPaths): string {
  const file = resolve(paths.directory, stepCa.rootFile);
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new FederationError("CONFIG_INVALID", `step-ca's root ${file} cannot be read`, { cause });
  }
}

async function addAuthority(
  client: ClientBase,
  kind: "embedded" | "step-ca",
  certificateDer: Buffer,
  key?: { id: string; sealedKey: Buffer },
): Promise<void> {
  await client.query("select federation.add_authority($1, $2, $3, $4, $5)", [
    key?.id ?? randomUUID(),
    kind,
    certificateDer,
    fingerprintOf(certificateDer),
    key?.sealedKey ?? null,
  ]);
}
