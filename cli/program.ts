import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import { packageRoot } from "../src/config/package-root.ts";

/** In the order of the help. Each is loaded with all that it stands on: most of the time of a short command. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ["init", async () => (await import("./commands/init.ts")).initCommand()],
  ["serve", async () => (await import("./commands/serve.ts")).serveCommand()],
  ["worker", async () => (await import("./commands/worker.ts")).workerCommand()],
  ["demo", async () => (await import("./commands/demo.ts")).demoCommand()],
  ["doctor", async () => (await import("./commands/doctor.ts")).doctorCommand()],
  ["federation", async () => (await import("./commands/federation.ts")).federationCommand()],
  ["query", async () => (await import("./commands/query.ts")).queryCommand()],
  ["resource", async () => (await import("./commands/resource.ts")).resourceCommand()],
  ["identity", async () => (await import("./commands/identity.ts")).identityCommand()],
  ["token", async () => (await import("./commands/token.ts")).tokenCommand()],
  ["admin", async () => (await import("./commands/admin.ts")).adminCommand()],
  ["ca", async () => (await import("./commands/ca.ts")).caCommand()],
  ["seal", async () => (await import("./commands/seal.ts")).sealCommand()],
  [
    "migrate-to-federated",
    async () => (await import("./commands/migrate-to-federated.ts")).migrateToFederatedCommand(),
  ],
  ["upgrade", async () => (await import("./commands/upgrade.ts")).upgradeCommand()],
  ["step-ca", async () => (await import("./commands/step-ca.ts")).stepCaCommand()],
]);

/**
 * The command `mosaic` with what is below it. A fault in its arguments is thrown as commander's error.
 *
 * @param asked the first of the arguments; where it is one of the commands, the others are left out
 * @param silent whether a fault in the arguments is thrown only, and not printed before
 */
export async function createProgram(asked?: string, silent = false): Promise<Command> {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string };
  const program = new Command("mosaic")
    .description("Share rows of your Postgres with another organisation, narrowly and revocably, and read theirs.")
    .version(manifest.version)
    .addHelpText(
      "after",
      "\nBegin with:\n  $ mosaic demo\n  $ mosaic init --dir .mosaic --host work.example\n  $ mosaic serve --dir .mosaic\n",
    );
  const only = asked === undefined ? undefined : COMMANDS.get(asked);
  for (const load of only === undefined ? COMMANDS.values() : [only]) {
    program.addCommand(await load());
  }
  prepare(program, silent);
  return program;
}

function prepare(command: Command, silent: boolean): void {
  if (silent) {
    command.configureOutput({ writeErr: () => undefined });
  }
  command
    .exitOverride()
    .showHelpAfterError("(add --help for the options and examples)")
    // Beside a long name of a command, fewer columns than the default's 40 are left for what it does.
    .configureHelp({ minWidthToWrap: 20 });
  command.commands.forEach((below) => {
    prepare(below, silent);
  });
}
