#!/usr/bin/env node
import { inspect } from "node:util";
import { CommanderError } from "commander";
import { asFederationError, ERROR_TABLE, FederationError } from "../src/errors.ts";
import { red, visible } from "./output.ts";
import { createProgram } from "./program.ts";

const json = process.argv.includes("--json");

/** A fault in the arguments, in the words of commander but for what these have for a terminal alone. */
function faultOfArguments({ message }: CommanderError): FederationError {
  return new FederationError("USAGE", `${message.replace(/^error: /, "")} (add --help for the options and examples)`);
}

/** Prints an error and returns the exit code that its code stands for. */
function report(error: unknown): number {
  if (error instanceof CommanderError && (error.exitCode === 0 || !json)) {
    // Commander has printed it.
    return error.exitCode === 0 ? 0 : ERROR_TABLE.USAGE.exit;
  }
  const refusal = error instanceof CommanderError ? faultOfArguments(error) : asFederationError(error);
  // What has no code is a fault of ours: whoever runs the command may see all of it.
  const message =
    refusal.code === "INTERNAL" && refusal.cause instanceof Error ? refusal.cause.message : refusal.message;
  if (json) {
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
  const program = await createProgram(process.argv[2], json);
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
