import { join } from "node:path";
import { createClosers } from "./closers.ts";
import { AUDIT } from "./measures/audit.ts";
import { CALLING } from "./measures/calling.ts";
import { GROWTH } from "./measures/growth.ts";
import { GUARD } from "./measures/guard.ts";
import { HANDSHAKES } from "./measures/handshakes.ts";
import { MEMORY } from "./measures/memory.ts";
import { START } from "./measures/start.ts";
import { THROUGHPUT } from "./measures/throughput.ts";
import type { Measure } from "./measure.ts";
import { readOptions } from "./options.ts";
import { openStage } from "./stage.ts";

// The gateway beside what a user would pick instead, in one run on one machine. docs/benchmarks/README.md says how to read it.
//   npm run bench -- --help
const MEASURES: readonly Measure[] = [...THROUGHPUT, ...GROWTH, GUARD, ...CALLING, HANDSHAKES, AUDIT, MEMORY, START];

const options = readOptions(process.argv.slice(2), new Map(MEASURES.map(({ name, what }) => [name, what])));
const begun = performance.now();
const log = (line: string): void => {
  process.stderr.write(`${((performance.now() - begun) / 1_000).toFixed(0).padStart(5)} s  ${line}\n`);
};
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    log("stops");
    stopping.abort(new Error("stopped"));
  });
}
const closers = createClosers();
try {
  const mosaic = [process.execPath, join(import.meta.dirname, "../cli/main.ts")];
  const stage = await openStage({ options, log, signal: stopping.signal, mosaic, mosaicBuilt: mosaic, closers });
  for (const measure of MEASURES.filter(({ name }) => options.only.length === 0 || options.only.includes(name))) {
    log(measure.name);
    const measured = await measure.make(stage);
    log(`${measure.name}: ${measured.value.toFixed(2)}`);
    process.stdout.write(JSON.stringify(measured) + "\n");
  }
} finally {
  await closers.close();
}
