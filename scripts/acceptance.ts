import { spawnSync } from "node:child_process";
import { layoutOf } from "./services/layout.ts";
import { statusOf } from "./services/status.ts";

// Runs the acceptance suite on both embedded databases and, where the services run, on these. With MOSAIC_REQUIRE_SERVICES=1 their absence is a
// failure, which the suite's own set-up tells of.
const away = (await statusOf(layoutOf(process.env)))
  .filter(({ service, healthy }) => !healthy && service !== "otel-collector")
  .map(({ service }) => service);
const projects = ["acceptance-pglite", "acceptance-postgres"];
const isPartial = away.length > 0 && process.env["MOSAIC_REQUIRE_SERVICES"] !== "1";
if (!isPartial) {
  projects.push("acceptance-step-ca");
}
const { status } = spawnSync(
  "vitest",
  ["run", ...projects.flatMap((project) => ["--project", project]), ...process.argv.slice(2)],
  { stdio: "inherit" },
);
if (isPartial) {
  console.error(
    `\nNOT DONE: the acceptance suite in tier federated, with step-ca and Valkey. Away: ${away.join(", ")}.\nStart them with: npm run services:up`,
  );
}
process.exitCode = status ?? 1;
