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
  /** Private JWK that signs the heads of the audit log; made when it is first needed. */
  auditSigningKey: string;
  /** Connection string of Valkey (tier `federated`). */
  valkeyUrl: string;
  /** Private JWK of step-ca's provisioner (tier `federated`). */
  stepCaKey: string;
  /** What the pages' OpenID Connect client proves itself by; absent where the client is a public one. */
  oidcClientSecret: string;
  /** What was last published of revocations: what a database that is restored must not take back. */
  publishedRevocations: string;
  /** What Node keeps of the program when it has compiled it, so that the next start is sooner; may be removed. */
  compileCache: string;
  /** Where `init` puts the root that is pinned for step-ca; the configuration may name another file. */
  stepCaRoot: string;
}

/** The variables that may hold a secret instead of its file. */
export const SECRET_VARIABLES = {
  adminDatabaseUrl: "MOSAIC_ADMIN_DATABASE_URL",
  gatewayDatabaseUrl: "MOSAIC_GATEWAY_DATABASE_URL",
  auditSigningKey: "MOSAIC_AUDIT_SIGNING_KEY",
  valkeyUrl: "MOSAIC_VALKEY_URL",
  stepCaKey: "MOSAIC_STEP_CA_KEY",
  oidcClientSecret: "MOSAIC_OIDC_CLIENT_SECRET",
} as const;

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
    auditSigningKey: join(secrets, "audit-signing-key.json"),
    valkeyUrl: join(secrets, "valkey-url"),
    stepCaKey: join(secrets, "step-ca-key.json"),
    oidcClientSecret: join(secrets, "oidc-client-secret"),
    publishedRevocations: join(directory, "revocations.json"),
    compileCache: join(directory, "compile-cache"),
    stepCaRoot: join(directory, "step-ca-root.pem"),
  };
}
