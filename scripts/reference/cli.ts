import type { Command } from "commander";
import { createProgram } from "../../cli/program.ts";
import { GENERATED } from "./markdown.ts";

/** `docs/reference/cli.md`: the help of every command, as a terminal of 100 columns shows it. */
export async function cliPage(): Promise<string> {
  return [GENERATED, "# The command `mosaic`", "", ...sections(await createProgram(), "mosaic")].join("\n");
}

function sections(command: Command, name: string): string[] {
  const own = ["## `" + name + "`", "", "```", helpOf(command), "```", ""];
  return [...own, ...command.commands.flatMap((child) => sections(child, `${name} ${child.name()}`))];
}

function helpOf(command: Command): string {
  let text = "";
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
    getOutHelpWidth: () => 100,
    getOutHasColors: () => false,
  });
  command.outputHelp();
  return text.trim();
}
