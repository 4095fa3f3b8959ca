import { expect, test } from "vitest";
import type { Command } from "commander";
import { createProgram } from "../../../cli/program.ts";

/** What each command of a program says of itself. */
function helpOf(command: Command): string[] {
  return [command.helpInformation(), ...command.commands.flatMap(helpOf)];
}

const namesOf = async (asked?: string): Promise<string[]> =>
  (await createProgram(asked)).commands.map((command) => command.name());

test("the program has every command, in the order of its help", async () => {
  const names = await namesOf();
  expect(names.slice(0, 3)).toEqual(["init", "serve", "worker"]);
  expect(names).toHaveLength(16);
});

test("a command that is asked for by its name is loaded alone", async () => {
  expect(await namesOf("serve")).toEqual(["serve"]);
  expect(await namesOf("migrate-to-federated")).toEqual(["migrate-to-federated"]);
});

test("what is no command has all of them beside it, for what the program says of it", async () => {
  const all = await namesOf();
  for (const asked of ["--help", "help", "serv", "constructor", ""]) {
    expect([asked, await namesOf(asked)]).toEqual([asked, all]);
  }
});

test("the help of every command fits a terminal of 80 columns", async () => {
  const lines = helpOf(await createProgram()).flatMap((help) => help.split("\n"));
  expect(lines.length).toBeGreaterThan(400);
  expect(lines.filter((line) => line.length > 80)).toEqual([]);
});
