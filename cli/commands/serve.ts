import { Option } from "commander";
import type { Command } from "commander";
import { createLog } from "../../src/observability/log.ts";
import { bold } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";

/** `mosaic serve` */
export function serveCommand(): Command {
  return gatewayCommand("serve", "Run the gateway of a directory until Ctrl-C.", [
    "serve --dir .mosaic",
    "serve --dir .mosaic --log-level debug",
  ])
    .addOption(
      new Option("--log-level <level>", "how much goes to standard error, one JSON object a line")
        .choices(["silent", "error", "warn", "info", "debug"])
        .env("MOSAIC_LOG_LEVEL")
        .default("info"),
    )
    .action(async (options: CommonOptions & { logLevel: string }) => {
      const { directory, output } = common(options);
      const signal = Promise.withResolvers<undefined>();
      const onSignal = (): void => {
        signal.resolve(undefined);
      };
      process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
      output.progress("starting");
      // PostGraphile is most of the program and takes most of a second to load; no other command needs it.
      const { startGateway } = await import("../../src/gateway.ts");
      const gateway = await startGateway(directory, createLog(options.logLevel));
      const { federationUrl, publicUrl, homeUrl } = gateway;
      output.result({ host: gateway.config.host, federationUrl, publicUrl, homeUrl, pid: process.pid }, () =>
        [
          `${bold(gateway.config.host)} serves`,
          `  peers        ${federationUrl}`,
          `  enrollment   ${publicUrl}`,
          `  local users  ${homeUrl}/graphql`,
          "Ctrl-C stops it.",
        ].join("\n"),
      );
      try {
        await Promise.race([signal.promise, gateway.failed]);
      } finally {
        output.progress("stopping");
        await gateway.stop();
      }
    });
}
