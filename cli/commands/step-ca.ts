import { resolve } from "node:path";
import { Command } from "commander";
import { prepareStepCa } from "../../src/setup/prepare-step-ca.ts";
import { readFile } from "../federated-options.ts";
import { bold, createOutput } from "../output.ts";

interface PrepareOptions {
  out: string;
  below?: string;
  passwordFile: string;
  dnsName: string[];
  address: string;
  crlUrl: string;
  provisioner: string;
  json: boolean;
}

const EXAMPLES = [
  "step-ca prepare --out step-ca --password-file password --crl-url https://work.example:8444/crl",
  "step-ca prepare --out step-ca --password-file password --crl-url https://work.example:8444/crl --below .mosaic",
];

/** `mosaic step-ca` */
export function stepCaCommand(): Command {
  return new Command("step-ca").description("The certificate server of tier federated.").addCommand(prepareCommand());
}

function prepareCommand(): Command {
  return new Command("prepare")
    .description("Write a folder with all that step-ca is run with: certificates, keys, template and ca.json.")
    .requiredOption("--out <folder>", "the folder to write, new or empty")
    .requiredOption("--password-file <file>", "a file with the password that encrypts the intermediate's key")
    .requiredOption("--crl-url <url>", "where revocations are published: the gateway's public address and /crl")
    .option("--below <folder>", "directory of a gateway whose own root peers have pinned: it stays theirs")
    .option("--dns-name <name...>", "by what names step-ca is reached", ["localhost", "127.0.0.1"])
    .option("--address <address>", "where step-ca is to listen", "127.0.0.1:9000")
    .option("--provisioner <name>", "the name of the gateway's provisioner", "mosaic")
    .option("--json", "print one JSON value instead of text", false)
    .addHelpText("after", `\nExamples:\n${EXAMPLES.map((line) => `  $ mosaic ${line}`).join("\n")}\n`)
    .action(async (options: PrepareOptions) => {
      const output = createOutput(options.json);
      const folder = resolve(options.out);
      const files = await prepareStepCa({
        folder,
        below: options.below === undefined ? undefined : resolve(options.below),
        password: readFile(options.passwordFile).trim(),
        dnsNames: options.dnsName,
        address: options.address,
        crlUrl: options.crlUrl,
        provisioner: options.provisioner,
      });
      output.result({ folder, files }, () =>
        [
          `${folder} holds ${files.join(", ")}.`,
          ...(files.includes("root-key.pem")
            ? ["Take root-key.pem away from here: only a new intermediate will ever need it."]
            : []),
          "The gateway needs root.pem and provisioner.jwk.json; take the latter away from step-ca's machine.",
          `Next:  ${bold(`cd ${options.out} && step-ca ca.json --password-file <file>`)}`,
        ].join("\n"),
      );
    });
}
