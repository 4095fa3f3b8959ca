import type { Command } from "commander";
import { startWorker } from "../../worker/run.ts";
import { fromDatabaseError } from "../../src/database/errors.ts";
import { createLog } from "../../src/observability/log.ts";
import { createCrlRefresher } from "../../src/setup/crl-refresher.ts";
import { jobDependencies } from "../../src/setup/job-dependencies.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, logLevelOption } from "../command.ts";
import { onStopSignal } from "../stop-signal.ts";

/** `mosaic worker` */
export function workerCommand(): Command {
  return gatewayCommand(
    "worker",
    "Run the jobs of a gateway until Ctrl-C: renewal of certificates, alerts, the roll-over of the audit log. `serve` runs them, too, unless it is told not to.",
    ["worker --dir .mosaic", "worker --dir .mosaic --log-level debug"],
  )
    .addOption(logLevelOption())
    .action(async (options: CommonOptions & { logLevel: string }) => {
      const { directory, output } = common(options);
      const signal = Promise.withResolvers<undefined>();
      onStopSignal(() => {
        signal.resolve(undefined);
      });
      await useDatabase(directory, async (used) => {
        const { adminUrl, config, paths } = used;
        const log = createLog(options.logLevel);
        const crl = createCrlRefresher(used, log);
        const dependencies = {
          ...jobDependencies({ adminUrl, config, paths, log }),
          refreshCrl: () => crl.refresh(),
        };
        const worker = await startWorker({ connectionString: adminUrl, dependencies, log }).catch((error: unknown) => {
          throw fromDatabaseError(error);
        });
        output.result({ running: true, pid: process.pid }, () => "The worker runs. Ctrl-C stops it.");
        try {
          await Promise.race([signal.promise, worker.ended]);
        } finally {
          output.progress("stopping");
          await worker.stop();
          await crl.close();
        }
      });
    });
}
