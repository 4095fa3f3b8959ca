import { Option } from "commander";
import type { Command } from "commander";
import { initGateway } from "../../src/setup/init.ts";
import type { FederatedOptions } from "../federated-options.ts";
import { readFederatedOptions, withFederatedOptions } from "../federated-options.ts";
import { bold } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption } from "../command.ts";

interface InitOptions extends CommonOptions, FederatedOptions {
  tier: "local" | "standalone" | "federated";
  databaseUrl?: string;
  host: string;
  port: number;
  sample: boolean;
}

/** `mosaic init` */
export function initCommand(): Command {
  return withFederatedOptions(
    gatewayCommand("init", "Make a gateway: its database, certificate authority, sealing keys and configuration.", [
      "init --dir .mosaic --host work.example",
      "init --dir .mosaic --host work.example --sample",
      'init --dir .mosaic --host work.example --tier standalone --database-url "postgres://admin:secret@127.0.0.1/work"',
      "init --dir .mosaic --host work.example --tier federated --database-url postgres://… --valkey-url valkey://… \\\n      --step-ca-url https://127.0.0.1:9000 --step-ca-root root.pem --step-ca-key provisioner.jwk.json",
    ])
      .addOption(
        new Option(
          "--tier <tier>",
          "local: an embedded Postgres; standalone: your own Postgres 15 to 18; federated: with pgvector, Valkey and step-ca",
        )
          .choices(["local", "standalone", "federated"])
          .default("local"),
      )
      .addOption(
        new Option("--database-url <url>", "an administrator's connection string (tiers standalone, federated)").env(
          "MOSAIC_DATABASE_URL",
        ),
      ),
  )
    .option("--host <name>", "the name by which peers know this gateway", "localhost")
    .option("--port <number>", "first of three ports: federation, public, home", integerOption, 8443)
    .option("--sample", "load the sample application, to have something to share", false)
    .action(async (options: InitOptions) => {
      const { directory, output } = common(options);
      const federated = options.tier === "federated" ? readFederatedOptions(options) : undefined;
      const config = await initGateway({
        directory,
        config: {
          version: 2,
          tier: options.tier,
          host: options.host,
          listeners: {
            federation: { port: options.port },
            public: { port: options.port + 1 },
            home: { port: options.port + 2 },
          },
          ...(federated === undefined ? {} : { stepCa: federated.stepCa }),
        },
        ...(federated === undefined ? {} : { services: federated.services }),
        ...(options.databaseUrl === undefined ? {} : { databaseUrl: options.databaseUrl }),
        sample: options.sample,
        log: output.progress,
      });
      output.result({ directory, config }, () =>
        [
          `A gateway for ${bold(config.host)} is ready in ${directory}.`,
          `Next:  ${bold(`mosaic serve --dir ${options.dir}`)}`,
        ].join("\n"),
      );
    });
}
