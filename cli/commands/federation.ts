import { Command } from "commander";
import { grantCommand } from "./grant.ts";
import { peerCommand } from "./peer.ts";

/** `mosaic federation` */
export function federationCommand(): Command {
  return new Command("federation")
    .description("Grants that we give, and peers that we enrolled with.")
    .addCommand(grantCommand())
    .addCommand(peerCommand());
}
