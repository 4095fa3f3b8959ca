import { readFileSync } from "node:fs";
import { Option } from "commander";
import type { Command } from "commander";
import type { ConfigInput } from "../../src/config/schema.ts";
import { FederationError } from "../../src/errors.ts";
import type { FederatedServices } from "../../src/setup/init.ts";
import { initGateway } from "../../src/setup/init.ts";
import { bold } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption } from "../command.ts";

interface InitOptions extends CommonOptions {
  tier: "local" | "standalone" | "federated";
  databaseUrl?: string;
  valkeyUrl?: string;
  stepCaUrl?: string;
  stepCaRoot?: string;
  stepCaKey?: string;
  stepCaProvisioner: string;
  host: string;
  port: number;
  sample: boolean;
}

/** `mosaic init` */
export function initCommand(): Command {
  return gatewayCommand(
    "init",
    "Make a gateway: its database, certificate authority, sealing keys and configuration.",
    [
      "init --dir .mosaic --host work.example",
      "init --dir .mosaic --host work.example --sample",
      'init --dir .mosaic --host work.example --tier standalone --database-url "postgres://admin:secret@127.0.0.1/work"',
      "init --dir .mosaic --host work.example --tier federated --database-url postgres://… --valkey-url valkey://… \\\n      --step-ca-url https://127.0.0.1:9000 --step-ca-root root.pem --step-ca-key provisioner.jwk.json",
    ],
  )
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
    )
    .addOption(
      new Option("--valkey-url <url>", "connection string of Valkey (tier federated)").env("MOSAIC_VALKEY_URL"),
    )
    .option("--step-ca-url <url>", "where step-ca answers (tier federated)")
    .option("--step-ca-root <file>", "step-ca's root certificate, PEM: the one that is pinned")
    .option("--step-ca-key <file>", "the private key of step-ca's provisioner, JSON Web Key")
    .option("--step-ca-provisioner <name>", "the name of that provisioner", "mosaic")
    .option("--host <name>", "the name by which peers know this gateway", "localhost")
    .option("--port <number>", "first of three ports: federation, public, home", integerOption, 8443)
    .option("--sample", "load the sample application, to have something to share", false)
    .action(async (options: InitOptions) => {
      const { directory, output } = common(options);
      const federated = options.tier === "federated" ? federatedOptions(options) : undefined;
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

function federatedOptions(options: InitOptions): {
  stepCa: NonNullable<ConfigInput["stepCa"]>;
  services: FederatedServices;
} {
  const { valkeyUrl, stepCaUrl, stepCaRoot, stepCaKey } = options;
  if (valkeyUrl === undefined || stepCaUrl === undefined || stepCaRoot === undefined || stepCaKey === undefined) {
    throw new FederationError(
      "USAGE",
      "tier federated needs --database-url, --valkey-url, --step-ca-url, --step-ca-root and --step-ca-key",
    );
  }
  return {
    // `init` puts the root beside the configuration.
    stepCa: { url: stepCaUrl, rootFile: "step-ca-root.pem", provisioner: options.stepCaProvisioner },
    services: { valkeyUrl, stepCaRoot: readFile(stepCaRoot), stepCaKey: readFile(stepCaKey) },
  };
}

function readFile(file: string): string {
  try {
    return readFileSync(file, "utf8").trimEnd();
  } catch (cause) {
    throw new FederationError("USAGE", `${file} cannot be read`, { cause });
  }
}
