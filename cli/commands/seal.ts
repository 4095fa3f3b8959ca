import { Command } from "commander";
import { rotateSeals } from "../../src/setup/rotate-seals.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";

/** `mosaic seal` */
export function sealCommand(): Command {
  return new Command("seal").description("Keys that seal secrets in the database.").addCommand(
    gatewayCommand(
      "rotate",
      "Make a new sealing key and seal every secret with it. A running gateway needs no restart.",
      ["seal rotate"],
    ).action(async (options: CommonOptions) => {
      const { directory, output } = common(options);
      const rotated = await useDatabase(directory, ({ adminUrl, paths }) => rotateSeals(adminUrl, paths.sealKeys));
      output.result(rotated, () => `Sealed ${rotated.resealed} secrets with key version ${rotated.version}.`);
    }),
  );
}
