import { Logger, run } from "graphile-worker";
import type { TaskList } from "graphile-worker";
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
  /** Settles when it has ended, and rejects if it could not go on. */
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

/**
 * Starts a worker on a database; several share the jobs. Its tables are made in the schema `graphile_worker` where there are none.
 *
 * @param options.connectionString of an administrator
 */
export async function startWorker(options: {
  connectionString: string;
  dependencies: JobDependencies;
  log: Log;
}): Promise<Worker> {
  const { connectionString, dependencies, log } = options;
  const runner = await run({
    connectionString,
    maxPoolSize: CONCURRENCY,
    concurrency: CONCURRENCY,
    pollInterval: POLL_MS,
    // On the embedded database the names of all clients meet in one backend.
    noPreparedStatements: true,
    noHandleSignals: true,
    taskList: tasksOf(dependencies),
    crontab: CRONTAB,
    logger: new Logger(() => (level, message) => {
      log[level === "warning" ? "warn" : level](message);
    }),
  });
  for (const task of AT_START) {
    await runner.addJob(task, {}, { jobKey: task });
  }
  return { ended: runner.promise, stop: () => runner.stop() };
}
