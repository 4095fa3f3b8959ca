import type { Server } from "node:http";
import { Pool } from "pg";
import type { Logger } from "pino";
import { createBucket } from "./admission/bucket.ts";
import { createCapacity } from "./admission/capacity.ts";
import { sayWhetherAway } from "./admission/valkey-alert.ts";
import { createSharedBucket } from "./admission/shared-bucket.ts";
import { connectShared } from "./admission/shared.ts";
import { createTerms } from "./admission/terms.ts";
import { createAuditQueue } from "./audit/queue.ts";
import { federationUrl, loadConfig, publicUrl, readSecret } from "./config/load.ts";
import { gatewayPaths, SECRET_VARIABLES } from "./config/paths.ts";
import type { Config } from "./config/schema.ts";
import { lockDirectory } from "./database/directory-lock.ts";
import { openDatabase } from "./database/open.ts";
import { createSessions, noticesHangUps } from "./database/session.ts";
import { createEnrollment } from "./enrollment/enroll.ts";
import { createRenewal } from "./enrollment/renew.ts";
import { FederationError } from "./errors.ts";
import { createFederationListener } from "./listeners/federation.ts";
import { listen, stopListening } from "./listeners/lifecycle.ts";
import { createPublicListener } from "./listeners/public.ts";
import { createServerIdentity, SERVER_LIFETIME_SECONDS } from "./listeners/server-identity.ts";
import { showAuthorities } from "./listeners/show-authorities.ts";
import { keepObserving } from "./observability/keep-observing.ts";
import { createMetrics } from "./observability/metrics.ts";
import { telemetryTarget } from "./observability/telemetry-target.ts";
import { createTracing, UNTRACED } from "./observability/tracing.ts";
import { readPeerIdentity } from "./pki/identity.ts";
import { keepRevocations } from "./revocation/keep.ts";
import { createRevocations } from "./revocation/revocations.ts";
import { loadKeyring } from "./seal/keyring.ts";
import { followAuthorities } from "./setup/follow-authorities.ts";
import { authoritiesReader } from "./setup/open-authority.ts";
import { prepareDatabase } from "./setup/prepare.ts";
import { requireFederatedTier } from "./setup/requirements.ts";
import { openPeerAccess } from "./source/peer-access.ts";

/** A gateway that is serving. */
export interface Gateway {
  config: Config;
  federationUrl: string;
  publicUrl: string;
  homeUrl: string;
  /** Connection string of an administrator, for a worker beside it. */
  adminUrl: string;
  /** Makes the list of revoked certificates anew. @throws where that could not be done */
  refreshCrl: () => Promise<void>;
  /** Rejects with the reason if the gateway cannot go on: its database ended, or its directory was taken. */
  failed: Promise<never>;
  /** Stops taking requests, lets running ones end, writes the audit queue, closes the database. */
  stop(): Promise<void>;
}

/** What running requests and unwritten audit rows get before they are given up, ms. */
const SHUTDOWN_MS = 10_000;

/** How long a verb waits for its turn, ms. */
const TURN_MS = 5_000;

/** How long a connection to the database outlives its last use, ms: with it go the plans that its backend has made. */
const CONNECTION_IDLE_MS = 60_000;

/** Connections that verbs leave to everything else: audit rows, terms of grants, local users. */
const CONNECTIONS_LEFT = 2;

/**
 * Starts the gateway of a directory that `initGateway` made.
 *
 * @throws FederationError CONFIG_INVALID, GATEWAY_RUNNING, UNAVAILABLE, SEAL_BROKEN
 */
export async function startGateway(directory: string, log: Logger): Promise<Gateway> {
  const paths = gatewayPaths(directory);
  const config = loadConfig(paths);
  const keyring = loadKeyring(paths.sealKeys);
  const fault = Promise.withResolvers<never>();
  // Whoever runs the gateway may look at it later.
  fault.promise.catch(() => undefined);

  // What was opened is closed in the opposite order, whether the start fails half-way or the gateway stops.
  let adminUrl: string;
  let refreshCrl: () => Promise<void>;
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) {
      await close().catch((error: unknown) => {
        log.error({ err: error }, "something did not close well");
      });
    }
  };

  try {
    if (config.tier === "federated") {
      await requireFederatedTier(config, paths);
    }
    const lock = await lockDirectory(directory, fault.reject);
    closers.push(() => lock.release());

    // PostGraphile takes most of a second to load, and the embedded database to start, on a thread of its own.
    const opening = openDatabase(config, paths);
    const graphile = Promise.all([import("./graphile/verb-schema.ts"), import("./listeners/open-home.ts")]);
    const database = await opening;
    closers.push(() => database.close());
    ({ adminUrl } = database);
    void database.ended.then(() => {
      fault.reject(new FederationError("UNAVAILABLE", "the embedded database has ended"));
    });

    const opened = await prepareDatabase({
      adminUrl,
      config,
      paths,
      keyring,
      log: (line) => {
        log.info(line);
      },
    });

    const pool = new Pool({
      connectionString: database.gatewayUrl,
      pipeline: true,
      max: config.limits.databaseConnections,
      connectionTimeoutMillis: 5_000,
      idleTimeoutMillis: CONNECTION_IDLE_MS,
      query_timeout: config.limits.statementTimeoutMs + 1_000,
    });
    pool.on("error", (error) => {
      log.warn({ err: error }, "an idle database connection was lost");
    });
    closers.push(() => pool.end());
    // The embedded database has one backend for all, in which names of statements would meet.
    const keepsStatements = config.tier !== "local";
    const sessions = createSessions(pool, {
      statementTimeoutMs: config.limits.statementTimeoutMs,
      noticesHangUps: await noticesHangUps(pool),
      keepsStatements,
    });
    const [{ createVerbExecutor }, { openHome }] = await graphile;
    const authorities = followAuthorities({
      opened,
      read: authoritiesReader({ config, paths, sessions, log }),
    });
    const roots = (): string[] => authorities.trusted.map(({ rootPem }) => rootPem);
    const audit = createAuditQueue(sessions, log);
    closers.push(() => audit.close(SHUTDOWN_MS));
    let settled = (): Promise<void> => Promise.resolve();
    closers.push(() => settled());
    const target = telemetryTarget(config, log);
    const metrics = createMetrics(target);
    closers.push(() => metrics.close());
    const tracing = target === undefined ? UNTRACED : createTracing(target, config.telemetry);
    closers.push(() => tracing.close());

    const shared =
      config.tier === "federated"
        ? connectShared(readSecret(paths.valkeyUrl, SECRET_VARIABLES.valkeyUrl), config.host, log, (away) => {
            void sayWhetherAway(sessions, directory, away, log);
          })
        : undefined;
    closers.push(() => shared?.close() ?? Promise.resolve());

    const revocations = createRevocations({
      sessions,
      authorities: () => authorities.trusted,
      file: paths.publishedRevocations,
      whenStale: config.crl.whenStale,
      log,
    });
    refreshCrl = () => revocations.refresh();
    const identity = await createServerIdentity(authorities, config, SERVER_LIFETIME_SECONDS);
    const { host, oidArc, certificateLifetimeDays } = config;
    const issuing = { sessions, authority: authorities, host, oidArc, certificateLifetimeDays };
    const capacity = createCapacity({
      concurrency: Math.max(1, config.limits.databaseConnections - CONNECTIONS_LEFT),
      waiting: config.limits.waitingRequests,
      waitMs: TURN_MS,
    });
    const federation = createFederationListener({
      identity,
      trustedRoots: roots(),
      readIdentity: (der) => {
        const peer = readPeerIdentity(der, config.oidArc);
        if (peer.host !== config.host) {
          throw new FederationError("IDENTITY_MALFORMED", "The certificate was issued by another host.");
        }
        return peer;
      },
      bucket: shared === undefined ? createBucket() : createSharedBucket(shared),
      handshakes: createBucket(),
      terms: createTerms(sessions, config.limits.requestsPerMinute, log),
      capacity,
      verbs: await createVerbExecutor(pool, sessions, { keepsStatements }),
      renewal: createRenewal({ ...issuing, roots }),
      tracing,
      mostMs: config.limits.statementTimeoutMs + TURN_MS,
      audit,
      metrics,
      revocations,
      authorities,
      log,
    });
    settled = () => federation.settled();
    const keeping = await keepRevocations({
      revocations,
      database,
      reloadAuthorities: () => authorities.reload(),
      endRevoked: () => {
        federation.endRevoked();
      },
      log,
    });
    closers.push(() => keeping.close());
    const open = createPublicListener({
      identity,
      roots,
      enrollment: createEnrollment({
        ...issuing,
        federationUrl: federationUrl(config),
        publicUrl: publicUrl(config),
      }),
      attempts: createBucket(),
      revocations,
      healthy: () =>
        pool.query("select 1").then(
          () => true,
          () => false,
        ),
      audit,
      log,
    });
    const shown = showAuthorities({ authorities, config, first: identity, federation, open, revocations, log });
    closers.push(() => shown.close());
    const access = openPeerAccess({ config, keyring: () => loadKeyring(paths.sealKeys), sessions, metrics, log });
    closers.push(() => access.close());
    const home = await openHome({ config, paths, adminUrl, pool, sessions, access, metrics, tracing, audit, log });
    const observing = keepObserving({
      metrics,
      sessions,
      observed: { audit, access, certificate: () => shown.serving, capacity, shared, revocations: keeping },
      log,
    });
    closers.push(() => observing.close());

    for (const [server, address] of [
      [federation.server, config.listeners.federation],
      [open, config.listeners.public],
      [home, config.listeners.home],
    ] satisfies [Server, { address: string; port: number }][]) {
      await listen(server, address);
      closers.push(() => stopListening(server, SHUTDOWN_MS));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  log.info({ host: config.host, tier: config.tier }, "serving");
  return {
    config,
    federationUrl: federationUrl(config),
    publicUrl: publicUrl(config),
    homeUrl: `http://${config.listeners.home.address}:${config.listeners.home.port}`,
    adminUrl,
    refreshCrl,
    failed: fault.promise,
    stop,
  };
}
