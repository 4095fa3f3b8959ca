import type { Command } from "commander";
import { startWorker } from "../../worker/run.ts";
import { createLog } from "../../src/observability/log.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, logLevelOption } from "../command.ts";

/** `mosaic worker` */
export function workerCommand(): Command {
  return gatewayCommand(
    "worker",
    "Run the jobs of a gateway until Ctrl-C: the roll-over of the audit log. `serve` runs them, too, unless it is told not to.",
    ["worker --dir .mosaic", "worker --dir .mosaic --log-level debug"],
  )
    .addOption(logLevelOption())
    .action(async (options: CommonOptions & { logLevel: string }) => {
      const { directory, output } = common(options);
      const signal = Promise.withResolvers<undefined>();
      const onSignal = (): void => {
        signal.resolve(undefined);
      };
      process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
      await useDatabase(directory, async ({ adminUrl }) => {
        const worker = await startWorker({ connectionString: adminUrl, log: createLog(options.logLevel) });
        output.result({ running: true, pid: process.pid }, () => "The worker runs. Ctrl-C stops it.");
        try {
          await Promise.race([signal.promise, worker.ended]);
        } finally {
          output.progress("stopping");
          await worker.stop();
        }
      });
    });
}
