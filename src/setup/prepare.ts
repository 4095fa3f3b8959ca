import { federationUrl, publicUrl } from "../config/load.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { asAdministrator } from "../database/administrator.ts";
import { migrateDatabase } from "../database/migrate.ts";
import type { CertificateAuthority } from "../pki/authority.ts";
import type { Keyring } from "../seal/keyring.ts";
import { openAuthorities } from "./open-authority.ts";

/**
 * Makes a database ready to serve: migrates it, opens the gateway's certificate authorities (making one on first use), and publishes
 * the gateway's addresses for SQL to write into enrollment URLs.
 *
 * @returns the authorities that are trusted, the one that signs first
 * @throws FederationError SEAL_BROKEN where the sealing keys are not those of this database, CONFIG_INVALID, CONFLICT, UNAVAILABLE
 */
export async function prepareDatabase(options: {
  adminUrl: string;
  config: Config;
  paths: GatewayPaths;
  keyring: Keyring;
  log: (line: string) => void;
}): Promise<CertificateAuthority[]> {
  const { adminUrl, config, log } = options;
  await migrateDatabase({ connectionString: adminUrl, log });
  return asAdministrator(adminUrl, async (client) => {
    const authorities = await openAuthorities(client, options);
    await client.query("select federation.publish_settings($1)", [
      JSON.stringify({
        host: config.host,
        tier: config.tier,
        federation_url: federationUrl(config),
        public_url: publicUrl(config),
      }),
    ]);
    return authorities;
  });
}
