import { mkdirSync } from "node:fs";
import { hasDebian, installDebootstrap, makeDebian, whyNoDebian } from "./debian.ts";
import type { Layout } from "./layout.ts";
import { buildCollector, hasCollector } from "./otel-collector.ts";
import type { Progress } from "./progress.ts";
import { buildStepCa, hasStepCa } from "./step-ca.ts";

/** Makes the programs that the services are without Docker; says which are there now. What could not be had is among the faults. */
export async function obtainPrograms(
  layout: Layout,
  progress: Progress,
): Promise<{ debian: boolean; stepCa: boolean; collector: boolean }> {
  for (const folder of [layout.bin, layout.log]) {
    mkdirSync(folder, { recursive: true });
  }
  // Debian waits for the network most of its time, the builds take the processors.
  const [debian, [stepCa, collector]] = await Promise.all([
    obtainDebian(layout, progress),
    (async () =>
      [
        await obtain(progress, hasStepCa(layout), "step-ca by go install (one to three minutes, once)", () =>
          buildStepCa(layout),
        ),
        await obtain(progress, hasCollector(layout), "OpenTelemetry Collector by go build (two minutes, once)", () =>
          buildCollector(layout),
        ),
      ] as const)(),
  ]);
  return { debian, stepCa, collector };
}

async function obtainDebian(layout: Layout, progress: Progress): Promise<boolean> {
  const why = whyNoDebian();
  if (why !== undefined) {
    progress.faults.push({ what: "PostgreSQL and Valkey from Debian", why });
    return false;
  }
  return obtain(
    progress,
    hasDebian(layout),
    "PostgreSQL 17, pgvector and Valkey 8 from Debian (about a minute, once)",
    async () => {
      await installDebootstrap();
      await makeDebian(layout);
    },
  );
}

/** Makes programs unless they are there; says whether they are now. */
async function obtain(progress: Progress, isThere: boolean, what: string, make: () => Promise<void>): Promise<boolean> {
  return isThere || (await progress.step(what, () => make().then(() => true))) === true;
}
