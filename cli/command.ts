import { Command, InvalidArgumentError, Option } from "commander";
import { resolve } from "node:path";
import { createOutput } from "./output.ts";
import type { Output } from "./output.ts";

/** The options that every command has. */
export interface CommonOptions {
  dir: string;
  json: boolean;
}

/**
 * A command with `--dir` and `--json`.
 *
 * @param examples lines shown at the end of `--help`, without the name of the program
 */
export function gatewayCommand(name: string, description: string, examples: string[]): Command {
  return new Command(name)
    .description(description)
    .option("--dir <folder>", "directory of the gateway (or MOSAIC_DIR)", process.env["MOSAIC_DIR"] ?? ".mosaic")
    .option("--json", "print one JSON value instead of text", false)
    .addHelpText("after", `\nExamples:\n${examples.map((line) => `  $ mosaic ${line}`).join("\n")}\n`);
}

/** The absolute directory and the output of a command's options. */
export function common(options: CommonOptions): { directory: string; output: Output } {
  return { directory: resolve(options.dir), output: createOutput(options.json) };
}

/** How much of its log a command that goes on prints. */
export function logLevelOption(): Option {
  return new Option("--log-level <level>", "how much goes to standard error, one JSON object a line")
    .choices(["silent", "error", "warn", "info", "debug"])
    .env("MOSAIC_LOG_LEVEL")
    .default("info");
}

/** Reads an option that holds JSON. */
export function jsonOption(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new InvalidArgumentError("It is not JSON.");
  }
}

/** Reads an option that holds a whole number. */
export function integerOption(text: string): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError("It is not a whole number.");
  }
  return value;
}

/** Reads an option that holds a point in time. */
export function timeOption(text: string): Date {
  const value = new Date(text);
  if (Number.isNaN(value.getTime())) {
    throw new InvalidArgumentError('It is not a time, for example "2027-01-31" or "2027-01-31T12:00:00Z".');
  }
  return value;
}
