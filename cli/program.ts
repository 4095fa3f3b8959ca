import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { packageRoot } from "../src/config/package-root.ts";
import { adminCommand } from "./commands/admin.ts";
import { caCommand } from "./commands/ca.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { federationCommand } from "./commands/federation.ts";
import { identityCommand } from "./commands/identity.ts";
import { initCommand } from "./commands/init.ts";
import { migrateToFederatedCommand } from "./commands/migrate-to-federated.ts";
import { queryCommand } from "./commands/query.ts";
import { resourceCommand } from "./commands/resource.ts";
import { sealCommand } from "./commands/seal.ts";
import { serveCommand } from "./commands/serve.ts";
import { stepCaCommand } from "./commands/step-ca.ts";
import { tokenCommand } from "./commands/token.ts";
import { upgradeCommand } from "./commands/upgrade.ts";
import { workerCommand } from "./commands/worker.ts";

/** The command `mosaic` with everything below it. A fault in its arguments is thrown as commander's error. */
export function createProgram(): Command {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string };
  const program = new Command("mosaic")
    .description("Share rows of your Postgres with another organisation, narrowly and revocably, and read theirs.")
    .version(manifest.version)
    .addCommand(initCommand())
    .addCommand(serveCommand())
    .addCommand(workerCommand())
    .addCommand(demoCommand())
    .addCommand(doctorCommand())
    .addCommand(federationCommand())
    .addCommand(queryCommand())
    .addCommand(resourceCommand())
    .addCommand(identityCommand())
    .addCommand(tokenCommand())
    .addCommand(adminCommand())
    .addCommand(caCommand())
    .addCommand(sealCommand())
    .addCommand(migrateToFederatedCommand())
    .addCommand(upgradeCommand())
    .addCommand(stepCaCommand())
    .addHelpText(
      "after",
      "\nBegin with:\n  $ mosaic demo\n  $ mosaic init --dir .mosaic --host work.example\n  $ mosaic serve --dir .mosaic\n",
    );
  throwOnExit(program);
  return program;
}

function throwOnExit(command: Command): void {
  command.exitOverride().showHelpAfterError("(add --help for the options and examples)");
  command.commands.forEach(throwOnExit);
}
