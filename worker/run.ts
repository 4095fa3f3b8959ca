import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Logger, makeWorkerUtils, run } from "graphile-worker";
import type { Runner, TaskList, WorkerEvents } from "graphile-worker";
import { Pool } from "pg";
import type { Logger as Log } from "pino";
import { AT_START, CRONTAB } from "./crontab.ts";
import { alertsDeliver } from "./tasks/alerts__deliver.ts";
import { authoritiesRetire } from "./tasks/authorities__retire.ts";
import { auditRollOver } from "./tasks/audit__roll_over.ts";
import { crlRefresh } from "./tasks/crl__refresh.ts";
import { grantsExpire } from "./tasks/grants__expire.ts";
import { certificatesSupersede } from "./tasks/certificates__supersede.ts";
import { peerRenew } from "./tasks/peer__renew.ts";
import { peersRenewDue } from "./tasks/peers__renew_due.ts";
import type { Renewals } from "./tasks/peers__renew_due.ts";

/** A worker that runs jobs. */
export interface Worker {
  /** Settles when it has ended, and rejects if it could not go on. A database that is away is waited for. */
  ended: Promise<void>;
  /** Takes no more jobs, lets the running one end. */
  stop(): Promise<void>;
}

/** What jobs need of the gateway, which they do not know: whoever starts a worker passes it in. */
export interface JobDependencies {
  refreshCrl: () => Promise<void>;
  renewals: Renewals;
  /** Where alerts are posted to; undefined where nowhere. */
  alertWebhookUrl: string | undefined;
}

const tasksOf = ({ refreshCrl, renewals, alertWebhookUrl }: JobDependencies): TaskList => ({
  alerts__deliver: alertsDeliver(alertWebhookUrl),
  audit__roll_over: auditRollOver,
  authorities__retire: authoritiesRetire,
  certificates__supersede: certificatesSupersede,
  crl__refresh: crlRefresh(refreshCrl),
  grants__expire: grantsExpire,
  peer__renew: peerRenew(renewals),
  peers__renew_due: peersRenewDue(renewals),
});

// No job here is in a hurry: looking now and then is enough, and the embedded database has one backend for everybody.
const POLL_MS = 5_000;
// A job that waits for another organisation's gateway holds up no other.
const CONCURRENCY = 4;

/** What a worker stands on. */
interface WorkerOptions {
  /** Of an administrator. */
  connectionString: string;
  dependencies: JobDependencies;
  log: Log;
}

/**
 * Starts a worker on a database; several share the jobs. Its tables are made in the schema `graphile_worker` where there are none. Once
 * started, it outlives any time for which the database is away.
 */
export async function startWorker(options: WorkerOptions): Promise<Worker> {
  const { connectionString, log } = options;
  const stopping = new AbortController();
  const isStopping = (): boolean => stopping.signal.aborted;
  let current = await begin(options);
  const beginAgain = async (poolId: string): Promise<Run> => {
    for (;;) {
      try {
        const pool = openPool(connectionString, log);
        try {
          const utils = await makeWorkerUtils({ pgPool: pool, logger: loggerTo(log) });
          // How its last jobs ended is not written down: they are done again.
          await utils.forceUnlockWorkers([poolId]);
          await utils.release();
        } finally {
          void pool.end();
        }
        return await begin(options);
      } catch (error) {
        log.warn({ err: error }, "the worker's database is away");
        await sleep(POLL_MS, undefined, { signal: stopping.signal });
      }
    }
  };
  const keepRunning = async (): Promise<void> => {
    for (;;) {
      await current.runner.promise;
      if (isStopping() || !current.isBroken()) {
        return;
      }
      log.warn("the worker lost its database, and begins again");
      current = await beginAgain(current.id());
      if (isStopping()) {
        await current.runner.stop();
      }
    }
  };
  const ended = keepRunning().catch((error: unknown) => {
    if (!isStopping()) {
      throw error;
    }
  });
  // Whoever runs the worker may look at it later.
  ended.catch(() => undefined);
  return {
    ended,
    stop: async () => {
      stopping.abort();
      // One that is broken has stopped.
      await (current.isBroken() ? undefined : current.runner.stop());
      await ended;
    },
  };
}

/** A run of graphile-worker: it ends by itself when it cannot write down how a job ended. */
interface Run {
  runner: Runner;
  id(): string;
  isBroken(): boolean;
}

async function begin({ connectionString, dependencies, log }: WorkerOptions): Promise<Run> {
  const events: WorkerEvents = new EventEmitter();
  let id = "";
  let broken = false;
  events.on("pool:create", ({ workerPool }) => {
    ({ id } = workerPool);
  });
  events.on("pool:fatalError", () => {
    broken = true;
  });
  const pool = openPool(connectionString, log);
  const runner = await run({
    pgPool: pool,
    concurrency: CONCURRENCY,
    pollInterval: POLL_MS,
    // On the embedded database the names of all clients meet in one backend.
    noPreparedStatements: true,
    noHandleSignals: true,
    taskList: tasksOf(dependencies),
    crontab: CRONTAB,
    logger: loggerTo(log),
    events,
    // With its default, -1, the promise of this writing is left alone: where the database is away it ends the process (release 0.18.0).
    preset: { worker: { completeJobBatchDelay: 0, failJobBatchDelay: 0 } },
  }).catch((error: unknown) => {
    void pool.end();
    throw error;
  });
  const close = (): void => {
    void pool.end();
  };
  runner.promise.then(close, close);
  for (const task of AT_START) {
    await runner.addJob(task, {}, { jobKey: task });
  }
  return { runner, id: () => id, isBroken: () => broken };
}

/**
 * The connections of a worker. graphile-worker (0.18.0) lets go of its own a moment too soon: one that breaks while they are being closed
 * would end the process.
 */
function openPool(connectionString: string, log: Log): Pool {
  const pool = new Pool({ connectionString, max: CONCURRENCY });
  const onError = (error: Error): void => {
    log.warn({ err: error }, "a connection of the worker was lost");
  };
  pool.on("error", onError);
  pool.on("connect", (client) => {
    client.on("error", onError);
  });
  return pool;
}

function loggerTo(log: Log): Logger {
  return new Logger(() => (level, message) => {
    log[level === "warning" ? "warn" : level](message);
  });
}
