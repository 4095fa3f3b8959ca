import type { Server } from "node:http";
import { Pool } from "pg";
import type { Logger } from "pino";
import { createBucket } from "./admission/bucket.ts";
import { createCapacity } from "./admission/capacity.ts";
import { createSharedBucket } from "./admission/shared-bucket.ts";
import { connectShared } from "./admission/shared.ts";
import { createTerms } from "./admission/terms.ts";
import { createAuditQueue } from "./audit/queue.ts";
import { federationUrl, publicUrl, readSecret } from "./config/load.ts";
import { SECRET_VARIABLES } from "./config/paths.ts";
import type { GatewayPaths } from "./config/paths.ts";
import type { Config } from "./config/schema.ts";
import type { GatewayDatabase } from "./database/open.ts";
import { createSessions, noticesHangUps } from "./database/session.ts";
import { createEnrollment } from "./enrollment/enroll.ts";
import { createRenewal } from "./enrollment/renew.ts";
import { FederationError } from "./errors.ts";
import { createFederationListener } from "./listeners/federation.ts";
import { listen, stopListening } from "./listeners/lifecycle.ts";
import { createPublicListener } from "./listeners/public.ts";
import { createServerIdentity, SERVER_LIFETIME_SECONDS } from "./listeners/server-identity.ts";
import { showAuthorities } from "./listeners/show-authorities.ts";
import { alertSubject } from "./observability/alert-subject.ts";
import { keepObserving } from "./observability/keep-observing.ts";
import { createMetrics } from "./observability/metrics.ts";
import { createServiceAlert } from "./observability/service-alert.ts";
import { telemetryTarget } from "./observability/telemetry-target.ts";
import { createTracing, UNTRACED } from "./observability/tracing.ts";
import { readPeerIdentity } from "./pki/identity.ts";
import { keepRevocations } from "./revocation/keep.ts";
import { createRevocations } from "./revocation/revocations.ts";
import { loadKeyring } from "./seal/keyring.ts";
import type { Keyring } from "./seal/keyring.ts";
import { followAuthorities } from "./setup/follow-authorities.ts";
import { authoritiesReader, readStepCaRoot } from "./setup/open-authority.ts";
import { prepareDatabase } from "./setup/prepare.ts";
import { openPeerAccess } from "./source/peer-access.ts";
import { createStepCaClient } from "./step-ca/client.ts";
import { watchStepCa } from "./step-ca/watch.ts";

/** What running requests and unwritten audit rows get before they are given up, ms. */
const SHUTDOWN_MS = 10_000;

/** How long a verb waits for its turn, ms. */
const TURN_MS = 5_000;

/** How long a connection to the database outlives its last use, ms: with it go the plans that its backend has made. */
const CONNECTION_IDLE_MS = 60_000;

/** Connections that verbs leave to everything else: audit rows, terms of grants, local users. */
const CONNECTIONS_LEFT = 2;

/** A database that is served. */
export interface Serving {
  /** Makes the list of revoked certificates anew. @throws where that could not be done */
  refreshCrl: () => Promise<void>;
}

/**
 * Makes an open database ready and serves it: sessions, admission, the verbs, audit, and the three listeners, which listen when this returns.
 *
 * @param options.closers what is to be closed, in the opposite order, when the gateway stops; also where this throws
 * @throws FederationError CONFIG_INVALID, UNAVAILABLE, SEAL_BROKEN
 */
export async function serveDatabase(options: {
  directory: string;
  config: Config;
  paths: GatewayPaths;
  keyring: Keyring;
  database: GatewayDatabase;
  closers: (() => Promise<unknown>)[];
  log: Logger;
}): Promise<Serving> {
  const { directory, config, paths, keyring, database, closers, log } = options;
  const { adminUrl } = database;
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
  const [{ createCatalogue }, { createVerbExecutor }, { openHome }] = await Promise.all([
    import("./graphile/catalogue.ts"),
    import("./graphile/verb-schema.ts"),
    import("./listeners/open-home.ts"),
  ]);
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

  const alerting = (code: "VALKEY_AWAY" | "STEP_CA_AWAY"): ((away: boolean) => void) => {
    const alert = createServiceAlert({ sessions, code, subject: alertSubject(directory), log });
    closers.push(() => alert.close());
    return (away) => {
      alert.say(away);
    };
  };
  const shared =
    config.tier === "federated"
      ? connectShared(
          readSecret(paths.valkeyUrl, SECRET_VARIABLES.valkeyUrl),
          config.host,
          log,
          alerting("VALKEY_AWAY"),
        )
      : undefined;
  closers.push(() => shared?.close() ?? Promise.resolve());

  const revocations = createRevocations({
    sessions,
    authorities: () => authorities.trusted,
    file: paths.publishedRevocations,
    whenStale: config.crl.whenStale,
    log,
  });
  const identity = await createServerIdentity(authorities, config, SERVER_LIFETIME_SECONDS);
  const { host, oidArc, certificateLifetimeDays } = config;
  const issuing = { sessions, authority: authorities, host, oidArc, certificateLifetimeDays };
  const capacity = createCapacity({
    concurrency: Math.max(1, config.limits.databaseConnections - CONNECTIONS_LEFT),
    waiting: config.limits.waitingRequests,
    waitMs: TURN_MS,
  });
  const access = openPeerAccess({ config, keyring: () => loadKeyring(paths.sealKeys), sessions, metrics, log });
  closers.push(() => access.close());
  const catalogue = createCatalogue(pool);
  const [verbs, home] = await Promise.all([
    createVerbExecutor(catalogue, sessions, { keepsStatements }),
    openHome({ config, paths, adminUrl, pool, catalogue, sessions, access, metrics, tracing, audit, log }),
  ]);
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
    verbs,
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
  const { stepCa } = config;
  const watched =
    config.tier === "federated" && stepCa !== undefined
      ? watchStepCa(
          createStepCaClient({ url: stepCa.url, rootPem: readStepCaRoot(stepCa, paths) }),
          log,
          alerting("STEP_CA_AWAY"),
        )
      : undefined;
  closers.push(() => watched?.close() ?? Promise.resolve());
  const observing = keepObserving({
    metrics,
    sessions,
    observed: {
      ...{ audit, access, capacity, shared },
      certificate: () => shown.serving,
      stepCa: watched,
      revocations: keeping,
    },
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
  return { refreshCrl: () => revocations.refresh() };
}
