import { randomUUID } from "node:crypto";
import { federationUrl, publicUrl } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import { asAdministrator } from "../database/administrator.ts";
import { migrateDatabase } from "../database/migrate.ts";
import type { CertificateAuthority } from "../pki/authority.ts";
import { createEmbeddedAuthority, createRoot } from "../pki/embedded-authority.ts";
import { fingerprintOf } from "../pki/verify.ts";
import type { Keyring } from "../seal/keyring.ts";
import { seal, unseal } from "../seal/seal.ts";

const ROOT_LIFETIME_DAYS = 3650;

/**
 * Makes a database ready to serve: migrates it, opens the gateway's certificate authority (making it on first use), and publishes
 * the gateway's addresses for SQL to write into enrollment URLs.
 *
 * @throws FederationError SEAL_BROKEN where the sealing keys are not those of this database
 */
export async function prepareDatabase(options: {
  adminUrl: string;
  config: Config;
  keyring: Keyring;
  log: (line: string) => void;
}): Promise<CertificateAuthority> {
  const { adminUrl, config, keyring, log } = options;
  await migrateDatabase({ connectionString: adminUrl, log });
  return asAdministrator(adminUrl, async (client) => {
    // Two gateways that start at once on a new database agree on one authority.
    await client.query("select pg_advisory_xact_lock(hashtext('federation_authorities'))");
    const { rows } = await client.query<{ id: string; certificate_der: Buffer; sealed_key: Buffer }>(
      "select id, certificate_der, sealed_key from federation.list_authorities() where kind = 'embedded' and retired_at is null",
    );
    let root = rows[0];
    if (root === undefined) {
      const id = randomUUID();
      const made = createRoot({ commonName: `${config.host} federation root`, lifetimeDays: ROOT_LIFETIME_DAYS });
      root = { id, certificate_der: made.certificateDer, sealed_key: seal(keyring, made.privateKeyDer, id) };
      await client.query("select federation.add_authority($1, 'embedded', $2, $3, $4)", [
        id,
        root.certificate_der,
        fingerprintOf(root.certificate_der),
        root.sealed_key,
      ]);
      log("certificate authority made");
    }
    const authority = createEmbeddedAuthority({
      certificateDer: root.certificate_der,
      privateKeyDer: unseal(keyring, root.sealed_key, root.id),
      oidArc: config.oidArc,
    });
    await client.query("select federation.publish_settings($1)", [
      JSON.stringify({
        host: config.host,
        federation_url: federationUrl(config),
        public_url: publicUrl(config),
        root_fingerprint: authority.rootFingerprint,
      }),
    ]);
    return authority;
  });
}
