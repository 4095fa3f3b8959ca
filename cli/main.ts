#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { inspect } from "node:util";
import { Command, CommanderError } from "commander";
import { packageRoot } from "../src/config/package-root.ts";
import { asFederationError, ERROR_TABLE } from "../src/errors.ts";
import { demoCommand } from "./commands/demo.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { federationCommand } from "./commands/federation.ts";
import { identityCommand } from "./commands/identity.ts";
import { initCommand } from "./commands/init.ts";
import { queryCommand } from "./commands/query.ts";
import { resourceCommand } from "./commands/resource.ts";
import { sealCommand } from "./commands/seal.ts";
import { serveCommand } from "./commands/serve.ts";
import { tokenCommand } from "./commands/token.ts";
import { red, visible } from "./output.ts";

const manifest = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as { version: string };

const program = new Command("mosaic")
  .description("Share rows of your Postgres with another organisation, narrowly and revocably, and read theirs.")
  .version(manifest.version)
  .addCommand(initCommand())
  .addCommand(serveCommand())
  .addCommand(demoCommand())
  .addCommand(doctorCommand())
  .addCommand(federationCommand())
  .addCommand(queryCommand())
  .addCommand(resourceCommand())
  .addCommand(identityCommand())
  .addCommand(tokenCommand())
  .addCommand(sealCommand())
  .addHelpText(
    "after",
    "\nBegin with:\n  $ mosaic demo\n  $ mosaic init --dir .mosaic --host work.example\n  $ mosaic serve --dir .mosaic\n",
  );

/** Prints an error and returns the exit code that its code stands for. */
function report(error: unknown): number {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? 0 : ERROR_TABLE.USAGE.exit;
  }
  const refusal = asFederationError(error);
  // What has no code is a fault of ours: whoever runs the command may see all of it.
  const message =
    refusal.code === "INTERNAL" && refusal.cause instanceof Error ? refusal.cause.message : refusal.message;
  if (process.argv.includes("--json")) {
    process.stderr.write(`${JSON.stringify({ error: { code: refusal.code, message } })}\n`);
  } else {
    process.stderr.write(
      `${red("error", process.stderr)} ${refusal.code}: ${message.split("\n").map(visible).join("\n")}\n`,
    );
  }
  if (process.env["MOSAIC_DEBUG"] !== undefined) {
    process.stderr.write(`${inspect(error)}\n`);
  }
  return refusal.exitCode;
}

function throwOnExit(command: Command): void {
  command.exitOverride().showHelpAfterError("(add --help for the options and examples)");
  command.commands.forEach(throwOnExit);
}
throwOnExit(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
