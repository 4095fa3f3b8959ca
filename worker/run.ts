import { Logger, run } from "graphile-worker";
import type { TaskList } from "graphile-worker";
import type { Logger as Log } from "pino";
import { AT_START, CRONTAB } from "./crontab.ts";
import { auditRollOver } from "./tasks/audit__roll_over.ts";
import { grantsExpire } from "./tasks/grants__expire.ts";

/** A worker that runs jobs. */
export interface Worker {
  /** Settles when it has ended, and rejects if it could not go on. */
  ended: Promise<void>;
  /** Takes no more jobs, lets the running one end. */
  stop(): Promise<void>;
}

const TASKS: TaskList = {
  audit__roll_over: auditRollOver,
  grants__expire: grantsExpire,
};

// Jobs here are for the night: looking now and then is enough, and the embedded database has one backend for everybody.
const POLL_MS = 5_000;
const CONNECTIONS = 2;

/**
 * Starts a worker on a database; several share the jobs. Its tables are made in the schema `graphile_worker` where there are none.
 *
 * @param options.connectionString of an administrator
 */
export async function startWorker(options: { connectionString: string; log: Log }): Promise<Worker> {
  const { connectionString, log } = options;
  const runner = await run({
    connectionString,
    maxPoolSize: CONNECTIONS,
    concurrency: 1,
    pollInterval: POLL_MS,
    // On the embedded database the names of all clients meet in one backend.
    noPreparedStatements: true,
    noHandleSignals: true,
    taskList: TASKS,
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
