import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { runDemo } from "../../src/demo/run-demo.ts";
import type { DemoOutcome } from "../../src/demo/run-demo.ts";
import { FederationError } from "../../src/errors.ts";
import type { FederatedPage } from "../../src/source/home-queries.ts";
import { bold, createOutput, dim, green, red } from "../output.ts";
import { onStopSignal } from "../stop-signal.ts";
import { pageForPeople } from "./query.ts";

/** `mosaic demo` */
export function demoCommand(): Command {
  return new Command("demo")
    .description("Play the main job through on two gateways: grant, enroll, blend, refuse. Takes under a minute.")
    .option("--json", "print one JSON object: ok, steps[] with name, expected, got, ms", false)
    .option("--keep", "leave both gateways running and print commands to try", false)
    .addHelpText("after", "\nExamples:\n  $ mosaic demo\n  $ mosaic demo --keep\n  $ mosaic demo --json\n")
    .action(async (options: { json: boolean; keep: boolean }) => {
      const output = createOutput(options.json);
      const folder = mkdtempSync(join(tmpdir(), "mosaic-demo-"));
      const interruption = new AbortController();
      const ignoreSignals = onStopSignal(() => {
        output.progress("stopping after this step");
        interruption.abort(new FederationError("USAGE", "the demo was interrupted"));
      });
      output.progress("making two gateways; this takes some seconds");
      let kept = false;
      try {
        const outcome = await runDemo({
          command: [process.execPath, process.argv[1] ?? ""],
          folder,
          keep: options.keep,
          signal: interruption.signal,
          onStep: ({ name, expected, got, ok, ms }) => {
            if (!options.json) {
              const said = ok ? got : `${red(got)} instead of ${expected}`;
              process.stdout.write(`${ok ? green("✓") : red("✗")} ${name} ${dim("→")} ${said} ${dim(`(${ms} ms)`)}\n`);
            }
          },
        });
        kept = options.keep && outcome.ok;
        output.result(summary(outcome, kept), () => forPeople(outcome, kept));
        if (!outcome.ok) {
          throw new FederationError("INTERNAL", "a step of the demo did not come out as it should");
        }
      } finally {
        ignoreSignals();
        if (!kept) {
          rmSync(folder, { recursive: true, force: true });
        }
      }
    });
}

function summary({ ok, steps, work, home, aliceToken }: DemoOutcome, kept: boolean): unknown {
  return {
    ok,
    steps: steps.map(({ name, expected, got, ms }) => ({ name, expected, got, ms })),
    ...(kept ? { gateways: [work, home], aliceToken } : {}),
  };
}

function forPeople(outcome: DemoOutcome, kept: boolean): string {
  const shown: FederatedPage = {
    ...outcome.blended,
    rows: outcome.blended.rows.map(({ _source, due_on, title, owner_id, team_id }) => ({
      _source,
      due_on,
      title,
      owner_id,
      team_id,
    })),
  };
  return [
    "",
    bold("What Alice sees: her own tasks and work's"),
    pageForPeople(shown),
    "",
    outcome.ok ? green("Everything came out as it should.") : red("Something did not come out as it should."),
    ...(kept ? ["", commandsToTry(outcome)] : []),
  ].join("\n");
}

function commandsToTry({ work, home, aliceToken }: DemoOutcome): string {
  const mosaic = `${process.execPath} ${process.argv[1] ?? "mosaic"}`;
  return [
    bold("Both gateways go on running. To try:"),
    `  ${mosaic} query list tasks --dir ${home.directory} --user alice-at-home --source all --order due_on`,
    `  ${mosaic} query search plan --dir ${home.directory} --user alice-at-home --source all`,
    `  ${mosaic} federation grant list --dir ${work.directory}`,
    `  ${mosaic} federation peer list --dir ${home.directory} --check`,
    `  ${mosaic} doctor --dir ${work.directory}`,
    `  curl ${home.homeUrl}/graphql -H "authorization: Bearer ${aliceToken}" -H "content-type: application/json" \\`,
    `    -d '{"query": "{ list(resource: \\"tasks\\", source: \\"all\\") { rows sources { source rows } } }"}'`,
    `  curl -k ${work.publicUrl}/healthz`,
    `  PGSSLMODE=disable psql -h ${work.directory}/run -U postgres postgres -c 'select * from federation.list_grants()'`,
    bold("To end them:"),
    `  kill ${work.pid} ${home.pid}`,
  ].join("\n");
}
