import type { Command } from "commander";
import { upgradeToFederated } from "../../src/setup/federated-services.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import type { FederatedOptions } from "../federated-options.ts";
import { readFederatedOptions, withFederatedOptions } from "../federated-options.ts";
import { bold } from "../output.ts";

/** `mosaic upgrade` */
export function upgradeCommand(): Command {
  return withFederatedOptions(
    gatewayCommand(
      "upgrade",
      "Raise a stopped gateway from tier standalone to tier federated: pgvector, Valkey and step-ca.",
      [
        "upgrade --dir .mosaic --valkey-url valkey://:secret@127.0.0.1:6380 --step-ca-url https://127.0.0.1:9000 \\\n      --step-ca-root step-ca/root.pem --step-ca-key step-ca/provisioner.jwk.json",
      ],
    ),
  ).action(async (options: CommonOptions & FederatedOptions) => {
    const { directory, output } = common(options);
    const config = await upgradeToFederated({ directory, ...readFederatedOptions(options), log: output.progress });
    output.result({ directory, config }, () =>
      [
        `The gateway for ${bold(config.host)} is of tier federated now: step-ca signs, Valkey counts.`,
        `Next:  ${bold(`mosaic doctor --dir ${options.dir}`)}, then ${bold(`mosaic serve --dir ${options.dir}`)}`,
      ].join("\n"),
    );
  });
}
