import { existsSync } from "node:fs";
import type { Pool } from "pg";
import type { Logger } from "pino";
import { createBucket } from "../../admission/bucket.ts";
import type { AuditQueue } from "../../audit/queue.ts";
import type { PeerRenewals } from "../../client/peer-renewals.ts";
import { builtPagesFolder } from "../../config/built-pages.ts";
import { readSecret } from "../../config/load.ts";
import { SECRET_VARIABLES } from "../../config/paths.ts";
import type { GatewayPaths } from "../../config/paths.ts";
import type { Config } from "../../config/schema.ts";
import type { Sessions } from "../../database/session.ts";
import { createPagesExecutor } from "../../graphile/pages-schema.ts";
import { createAskPages } from "../../pages/ask.ts";
import { createOidc } from "../../pages/oidc.ts";
import { createSignIn } from "../../pages/sign-in.ts";
import { loadKeyring } from "../../seal/keyring.ts";
import { whenAsked } from "../../when-asked.ts";
import { createBuiltPages } from "./built-pages.ts";
import { createPages } from "./pages.ts";
import type { Pages } from "./pages.ts";

/** The pages of a gateway. */
export function openPages(options: {
  config: Config;
  paths: GatewayPaths;
  adminUrl: string;
  pool: Pool;
  sessions: Sessions;
  renewals: Pick<PeerRenewals, "renew">;
  audit: AuditQueue;
  mostMs: number;
  log: Logger;
}): Pages {
  const { config, paths, sessions, audit, log } = options;
  const bucket = createBucket();
  const ask = createAskPages({ ...options, bucket });
  const { oidc, url } = config.pages;
  // PostGraphile reads the whole catalogue for a schema, and the pages are seldom used.
  const executor = whenAsked(() => createPagesExecutor(options.pool, ask));
  return createPages({
    signIn: createSignIn(sessions, options.adminUrl),
    oidc:
      oidc === undefined
        ? undefined
        : createOidc({ oidc, clientSecret: clientSecret(paths), keyring: () => loadKeyring(paths.sealKeys), log }),
    execute: async (request) => (await executor())(request),
    ask,
    built: createBuiltPages(builtPagesFolder()),
    bucket,
    audit,
    url,
    mostMs: options.mostMs,
    log,
  });
}

/** A public client has no secret, and so no file of one. */
function clientSecret({ oidcClientSecret: file }: GatewayPaths): string | undefined {
  const variable = SECRET_VARIABLES.oidcClientSecret;
  return existsSync(file) || (process.env[variable] ?? "") !== "" ? readSecret(file, variable) : undefined;
}
