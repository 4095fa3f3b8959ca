import type { Server } from "node:http";
import type { Pool } from "pg";
import type { Logger } from "pino";
import type { AuditQueue } from "../audit/queue.ts";
import { createAuthenticator } from "../auth/authenticate.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import type { Sessions } from "../database/session.ts";
import type { Catalogue } from "../graphile/catalogue.ts";
import { createHomeExecutor } from "../graphile/home-schema.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Tracing } from "../observability/tracing.ts";
import { jobDependencies } from "../setup/job-dependencies.ts";
import { createHomeQueries } from "../source/home-queries.ts";
import type { PeerAccess } from "../source/peer-source.ts";
import { createSignals } from "../source/signals.ts";
import { createHomeListener } from "./home.ts";
import { openPages } from "./pages/open-pages.ts";

/** What a local user's request may take beyond what the database and peers may, ms. */
const HOME_MS = 5_000;

/** The home listener of a gateway, with its pages; it does not listen yet. */
export async function openHome(options: {
  config: Config;
  paths: GatewayPaths;
  adminUrl: string;
  pool: Pool;
  catalogue: Catalogue;
  sessions: Sessions;
  access: PeerAccess;
  metrics: Metrics;
  tracing: Tracing;
  audit: AuditQueue;
  log: Logger;
}): Promise<Server> {
  const { config, paths, adminUrl, catalogue, sessions, metrics, tracing, log } = options;
  const queries = createHomeQueries(options.access);
  const mostMs = Math.max(config.limits.statementTimeoutMs, config.limits.peerTimeoutMs) + HOME_MS;
  const { renewals } = jobDependencies({ adminUrl, config, paths, log });
  const [authenticate, execute] = await Promise.all([
    createAuthenticator(sessions, config),
    createHomeExecutor(catalogue, sessions, queries),
  ]);
  return createHomeListener({
    authenticate,
    execute,
    queries,
    metrics,
    tracing,
    signals: createSignals(),
    pages: openPages({ ...options, renewals, mostMs }),
    mostMs,
    log,
  });
}
