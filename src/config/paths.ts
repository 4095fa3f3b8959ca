import { join } from "node:path";

/** Where a gateway keeps its files, below its directory. */
export interface GatewayPaths {
  directory: string;
  config: string;
  /** The embedded database's files (tier `local`). */
  data: string;
  /** Mode 0700: what must not be readable by anybody else. */
  secrets: string;
  sealKeys: string;
  /** Connection string of an administrator, for migrations and admin commands (tier `standalone`). */
  adminDatabaseUrl: string;
  /** Connection string of the gateway's own login (tier `standalone`). */
  gatewayDatabaseUrl: string;
}

/** The files of a gateway's directory. */
export function gatewayPaths(directory: string): GatewayPaths {
  const secrets = join(directory, "secrets");
  return {
    directory,
    config: join(directory, "mosaic.config.json"),
    data: join(directory, "data"),
    secrets,
    sealKeys: join(secrets, "seal-keys.json"),
    adminDatabaseUrl: join(secrets, "admin-database-url"),
    gatewayDatabaseUrl: join(secrets, "gateway-database-url"),
  };
}
