import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What V8 writes with `--cpu-prof` (Chrome DevTools Protocol, Profiler.Profile); times in µs of the monotonic clock. */
interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string; lineNumber: number } }[];
  startTime: number;
  samples: number[];
  timeDeltas: number[];
}

/** Milliseconds by part of the program and by function. */
export interface CpuTime {
  byPart: Map<string, number>;
  byFunction: Map<string, number>;
}

/** What a process did nothing in. */
export const IDLE = "idle";

/** In their order: the first that fits. */
const PARTS: readonly (readonly [part: string, pattern: RegExp])[] = [
  ["pg", /node_modules\/(pg|pg-[a-z-]+|postgres-[a-z]+)\//],
  [
    "PostGraphile and GraphQL",
    /node_modules\/(postgraphile|grafast|grafserv|graphile-[a-z]+|graphql|tamedevil|pg-sql2|@dataplan\/[a-z]+|@graphile\/[a-z]+)\//,
  ],
  ["zod", /node_modules\/zod\//],
  ["other packages", /node_modules\//],
  [
    "Node: TLS, HTTP, streams",
    /^node:(_http|_tls|_stream|internal\/(streams|http|js_stream|stream_base|tls|crypto)|net|http|https|tls|internal\/net|stream)/,
  ],
  ["Node: the rest", /^node:/],
  ["the gateway: src/listeners", /\/src\/listeners\//],
  ["the gateway: src/admission", /\/src\/admission\//],
  ["the gateway: src/verbs", /\/src\/verbs\//],
  ["the gateway: src/graphile", /\/src\/graphile\//],
  ["the gateway: src/database", /\/src\/database\//],
  ["the gateway: src/audit", /\/src\/audit\//],
  ["the gateway: the rest", /\/(src|cli)\//],
];

/**
 * Adds up the profiles that processes wrote into a folder.
 *
 * @param from and `to` the part of them that counts, µs of the monotonic clock
 */
export function readCpuTime(folder: string, from: number, to: number): CpuTime {
  const time: CpuTime = { byPart: new Map(), byFunction: new Map() };
  const add = (map: Map<string, number>, key: string, ms: number): void => {
    map.set(key, (map.get(key) ?? 0) + ms);
  };
  for (const name of readdirSync(folder)) {
    const { nodes, startTime, samples, timeDeltas } = JSON.parse(
      readFileSync(join(folder, name), "utf8"),
    ) as CpuProfile;
    const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
    let at = startTime;
    for (const [place, id] of samples.entries()) {
      at += timeDeltas[place] ?? 0;
      const frame = frames.get(id);
      if (frame === undefined || at < from || at > to) {
        continue;
      }
      // What a sample stands for lasts until the next.
      const ms = (timeDeltas[place + 1] ?? 0) / 1_000;
      const part = partOf(frame);
      add(time.byPart, part, ms);
      if (part !== IDLE) {
        add(time.byFunction, `${frame.functionName || "(anonymous)"} ${placeOf(frame)}`.trim(), ms);
      }
    }
  }
  return time;
}

function partOf({ functionName, url }: CpuProfile["nodes"][number]["callFrame"]): string {
  if (functionName === "(idle)") {
    return IDLE;
  }
  if (functionName === "(garbage collector)") {
    return "garbage collection";
  }
  return PARTS.find(([, pattern]) => pattern.test(url))?.[0] ?? "native: system calls, encryption, JSON";
}

/** The file from the project's own folder on, so that no path of the machine shows. */
function placeOf({ url, lineNumber }: CpuProfile["nodes"][number]["callFrame"]): string {
  const place = /(?:.*\/(?=(?:node_modules|src|cli)\/)|^)(.+)$/.exec(url)?.[1];
  return place === undefined ? "" : `${place}:${lineNumber + 1}`;
}
