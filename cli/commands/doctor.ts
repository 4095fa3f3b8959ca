import type { Command } from "commander";
import { FederationError } from "../../src/errors.ts";
import { examineGateway } from "../../src/setup/doctor.ts";
import type { Finding } from "../../src/setup/doctor.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import { dim, green, red, visible, yellow } from "../output.ts";

/** `mosaic doctor` */
export function doctorCommand(): Command {
  return gatewayCommand("doctor", "Look at everything that a gateway stands on, and say what to do about it.", [
    "doctor --dir .mosaic",
    "doctor --dir .mosaic --json",
  ]).action(async (options: CommonOptions) => {
    const { directory, output } = common(options);
    const findings = await examineGateway(directory);
    const ok = findings.every(({ status }) => status !== "fault");
    output.result({ ok, findings }, () => findings.map(line).join("\n"));
    if (!ok) {
      throw new FederationError("CONFIG_INVALID", "the gateway cannot run well like this; see above");
    }
  });
}

const MARKS = { ok: green("✓"), warning: yellow("!"), fault: red("✗") };

function line({ name, status, detail, remedy }: Finding): string {
  const first = `${MARKS[status]} ${name.padEnd(24)} ${visible(detail)}`;
  return remedy === undefined ? first : `${first}\n  ${dim("→")} ${visible(remedy)}`;
}
