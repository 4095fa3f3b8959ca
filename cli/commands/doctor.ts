import type { Command } from "commander";
import { FederationError } from "../../src/errors.ts";
import { examineGateway } from "../../src/setup/doctor/examine.ts";
import type { Finding } from "../../src/setup/doctor/findings.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import { bold, green, red, table, visible, yellow } from "../output.ts";

/** Said to be at work when it takes longer than this, ms. */
const SOON_MS = 2_000;

/** `mosaic doctor` */
export function doctorCommand(): Command {
  return gatewayCommand(
    "doctor",
    "Look at everything that a gateway stands on and at its peers, and say what to do. The gateway may be down.",
    ["doctor --dir .mosaic", "doctor --dir .mosaic --local", "doctor --dir .mosaic --json"],
  )
    .option("--local", "ask no peer", false)
    .action(async (options: CommonOptions & { local: boolean }) => {
      const { directory, output } = common(options);
      const timer = setTimeout(() => {
        output.progress(options.local ? "looking" : "looking, and asking the peers");
      }, SOON_MS);
      const examination = await examineGateway(directory, { remote: !options.local });
      clearTimeout(timer);
      output.result(examination, () => forPeople(examination.findings));
      if (!examination.ok) {
        throw new FederationError("CONFIG_INVALID", "something is red; see above");
      }
    });
}

const COLOURS = { green, yellow, red };

function forPeople(findings: Finding[]): string {
  const drawn = table(
    ["state", "what", "found"],
    findings.map(({ status, name, detail }) => [status, name, detail]),
  );
  const remedies = findings.flatMap(({ status, name, remedy }) =>
    remedy === undefined ? [] : [`${COLOURS[status](status)}  ${visible(name)}: ${visible(remedy)}`],
  );
  return [
    drawn.replace(/^(\s*)(green|yellow|red)\b/gm, (_, indent: string, status: keyof typeof COLOURS) =>
      [indent, COLOURS[status](status)].join(""),
    ),
    ...(remedies.length > 0 ? ["", bold("What to do"), ...remedies] : []),
  ].join("\n");
}
