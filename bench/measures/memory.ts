import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { gatewayContender } from "../contenders/gateway.ts";
import type { Measure } from "../measure.ts";
import { smallest, TEAMS } from "../sizes.ts";

const FULL = { few: 10_000, many: 1_000_000 };
const QUICK = { few: 100, many: 300 };
const CONNECTIONS = 8;
/** What a gateway gets to write its audit rows and to collect its garbage before it is looked at, ms. */
const REST_MS = 5_000;
const REST_QUICK_MS = 500;

/** Whether a gateway grows with what it has answered. */
export const MEMORY: Measure = {
  name: "memory",
  what: "resident memory of a gateway after 1 000 000 requests / after 10 000",
  unit: "ratio",
  target: { atMost: 1.1 },
  make: async (stage) => {
    const gateway = await stage.gateway(smallest(stage));
    const { few, many } = stage.options.quick ? QUICK : FULL;
    const target = await gatewayContender(stage).target({ verb: "get", rows: smallest(stage), teams: TEAMS });
    const ask = async (requests: number): Promise<number> => {
      for (let left = requests; left > 0; left -= few) {
        stage.signal.throwIfAborted();
        await stage.generator.run(target, {
          connections: CONNECTIONS,
          requests: Math.min(left, few),
          mostSeconds: 600,
        });
      }
      await sleep(stage.options.quick ? REST_QUICK_MS : REST_MS);
      return residentMegabytes(gateway.pid);
    };
    const after: Record<string, number[]> = { few: [await ask(few)], many: [await ask(many - few)] };
    stage.log(`memory: ${String(after["few"])} MB, then ${String(after["many"])} MB`);
    return {
      value: (after["many"]?.[0] ?? Number.NaN) / (after["few"]?.[0] ?? Number.NaN),
      samples: { [`MB after ${few} requests`]: after["few"] ?? [], [`MB after ${many} requests`]: after["many"] ?? [] },
      notes: ["Requests of get; what other measures asked of the same gateway before is not counted. One run."],
    };
  },
};

/** Of a process and of all that it has started, MB (proc_pid_status(5), VmRSS; proc_pid_children(5)). */
function residentMegabytes(pid: number): number {
  const own = Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").map(Number).filter(Boolean);
  return own + children.map(residentMegabytes).reduce((sum, each) => sum + each, 0);
}
