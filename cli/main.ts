#!/usr/bin/env node
import { inspect } from "node:util";
import { CommanderError } from "commander";
import { asFederationError, ERROR_TABLE } from "../src/errors.ts";
import { red, visible } from "./output.ts";
import { createProgram } from "./program.ts";

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

try {
  const program = await createProgram(process.argv[2]);
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
