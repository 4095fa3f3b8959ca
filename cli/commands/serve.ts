import { enableCompileCache } from "node:module";
import type { Command } from "commander";
import { areBuilt, builtPagesFolder, NOT_BUILT } from "../../src/config/built-pages.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { createLog } from "../../src/observability/log.ts";
import type { Worker } from "../../worker/run.ts";
import { bold } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, logLevelOption } from "../command.ts";
import { onStopSignal } from "../stop-signal.ts";

/** `mosaic serve` */
export function serveCommand(): Command {
  return gatewayCommand("serve", "Run the gateway of a directory until Ctrl-C.", [
    "serve --dir .mosaic",
    "serve --dir .mosaic --log-level debug",
  ])
    .addOption(logLevelOption())
    .option("--no-worker", "leave the jobs to `mosaic worker`")
    .action(async (options: CommonOptions & { logLevel: string; worker: boolean }) => {
      const { directory, output } = common(options);
      const signal = Promise.withResolvers<undefined>();
      onStopSignal(() => {
        signal.resolve(undefined);
      });
      output.progress("starting");
      // In the gateway's own directory: what is run from it must be nobody else's to write.
      enableCompileCache(gatewayPaths(directory).compileCache);
      const { startGateway } = await import("../../src/gateway.ts");
      const log = createLog(options.logLevel);
      const gateway = await startGateway(directory, log);
      const { federationUrl, publicUrl, homeUrl } = gateway;
      output.result({ host: gateway.config.host, federationUrl, publicUrl, homeUrl, pid: process.pid }, () =>
        [
          `${bold(gateway.config.host)} serves`,
          `  peers        ${federationUrl}`,
          `  enrollment   ${publicUrl}`,
          `  local users  ${homeUrl}/graphql`,
          `  pages        ${pagesForPeople(`${gateway.config.pages.url ?? homeUrl}/pages/`, builtPagesFolder())}`,
          "Ctrl-C stops it.",
        ].join("\n"),
      );
      let worker: Worker | undefined;
      try {
        if (options.worker) {
          const [{ startWorker }, { jobDependencies }] = await Promise.all([
            import("../../worker/run.ts"),
            import("../../src/setup/job-dependencies.ts"),
          ]);
          const { adminUrl, config, refreshCrl } = gateway;
          const dependencies = {
            ...jobDependencies({ adminUrl, config, paths: gatewayPaths(directory), log }),
            refreshCrl,
          };
          worker = await startWorker({ connectionString: adminUrl, dependencies, log });
        }
        await Promise.race([signal.promise, gateway.failed, ...(worker === undefined ? [] : [worker.ended])]);
      } finally {
        output.progress("stopping");
        await worker?.stop().catch((error: unknown) => {
          log.error({ err: error }, "the worker did not stop well");
        });
        await gateway.stop();
      }
    });
}

/** Where the pages are, or that they are not. */
export function pagesForPeople(url: string, folder: string): string {
  return areBuilt(folder) ? url : NOT_BUILT;
}
