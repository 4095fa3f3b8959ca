import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startGatewayProcess } from "../src/demo/gateway-process.ts";
import { MOSAIC } from "../test/harness/mosaic.ts";
import { runLoad } from "./load/run-load.ts";
import { createServerTls } from "./peers/tls.ts";
import { openServer } from "./setting/server.ts";
import { openWork } from "./setting/work.ts";

// Where the time of a request goes in the gateway's own process, by V8's sampling profiler: microseconds of each part for one request.
//   node bench/profile.ts [--verb list|get] [--functions 25]
const { values } = parseArgs({
  options: { verb: { type: "string", default: "list" }, functions: { type: "string", default: "25" } },
});

const MEASURE_MS = 10_000;

interface Profile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  samples: number[];
  timeDeltas: number[];
}

const server = await openServer(await createServerTls());
const folder = mkdtempSync(join(tmpdir(), "mosaic-profile-"));
try {
  const work = await openWork(server, 10_000, () => undefined);
  const [program, main] = MOSAIC;
  const gateway = await startGatewayProcess(
    [program, "--cpu-prof", `--cpu-prof-dir=${folder}`, "--cpu-prof-interval=200", main],
    work.directory,
  );
  const { certificate, key } = work.grants[10];
  const variables =
    values.verb === "list" ? { resource: "tasks" } : { resource: "tasks", id: "00000000-0000-4000-8000-000000000001" };
  const job = { url: gateway.federationUrl, ca: work.rootPem, certificate, key, connections: 8 };
  const bodies = [JSON.stringify({ documentId: values.verb, variables })];
  const { requests } = await runLoad({ ...job, bodies, warmUpMs: 5_000, measureMs: MEASURE_MS });
  await gateway.stop();
  const [file = ""] = globSync(join(folder, "*.cpuprofile"));
  report(JSON.parse(readFileSync(file, "utf8")) as Profile, requests, Number(values.functions));
} finally {
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
}

function report(profile: Profile, requests: number, functions: number): void {
  const byId = new Map(profile.nodes.map((node) => [node.id, node.callFrame]));
  const [parts, names] = [new Map<string, number>(), new Map<string, number>()];
  // The start of the gateway and the first requests, whose code is not compiled yet, are left out.
  let left = profile.timeDeltas.reduce((sum, us) => sum + us, 0) - MEASURE_MS * 1000;
  profile.samples.forEach((id, place) => {
    const frame = byId.get(id);
    const us = profile.timeDeltas[place] ?? 0;
    left -= us;
    if (left > 0 || frame === undefined || frame.functionName === "(idle)") {
      return;
    }
    const part = partOf(frame.url, frame.functionName);
    parts.set(part, (parts.get(part) ?? 0) + us);
    const name = `${frame.functionName || "(anonymous)"} ${frame.url.split("/").slice(-2).join("/")}:${frame.lineNumber + 1}`;
    names.set(name, (names.get(name) ?? 0) + us);
  });
  const print = (title: string, map: Map<string, number>, most: number): void => {
    process.stdout.write(`\n${title}\n`);
    for (const [name, us] of [...map].sort(([, a], [, b]) => b - a).slice(0, most)) {
      process.stdout.write(`${(us / requests).toFixed(1).padStart(8)} µs  ${name}\n`);
    }
  };
  process.stdout.write(`${requests} requests\n`);
  print("by part", parts, 30);
  print("by function", names, functions);
}

function partOf(url: string, name: string): string {
  const [, inPackage] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url) ?? [];
  const [, ours] = /\/(src\/[^/]+)/.exec(url) ?? [];
  return inPackage ?? ours ?? (url.startsWith("node:") ? url : name);
}
