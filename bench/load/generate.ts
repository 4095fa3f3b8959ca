import { setTimeout as sleep } from "node:timers/promises";
import { Pool } from "undici";
import { sampleOf } from "./job.ts";
import type { JobAnswer, Load, Sample, Target } from "./job.ts";

// The load generator: a process of its own, told each run by its parent. undici's pool keeps the connections; each has one request at a time.

/** What is asked before the measured part, at least of each connection and in all. */
const WARM_UP = { ofEach: 3, atMost: 500, mostSeconds: 3 };

process.on("message", ({ target, load }: { target: Target; load: Load }) => {
  run(target, load).then(
    (sample) => {
      say({ sample });
    },
    (error: unknown) => {
      say({ error: error instanceof Error ? error.message : String(error) });
    },
  );
});
// Without a parent there is nobody to measure for.
process.on("disconnect", () => process.exit(0));

function say(answer: JobAnswer): void {
  process.send?.(answer);
}

async function run(target: Target, load: Load): Promise<Sample> {
  const pool = new Pool(target.origin, {
    connections: load.connections,
    pipelining: 1,
    ...(target.tls === undefined ? {} : { connect: { ...target.tls, minVersion: "TLSv1.3" } }),
  });
  let said = 0;
  const ask = (): Promise<void> => {
    const body = target.bodies[said % target.bodies.length] ?? "";
    said += 1;
    return request(pool, target, body);
  };
  try {
    await closedLoop(ask, {
      connections: load.connections,
      requests: Math.max(WARM_UP.ofEach * load.connections, Math.min(load.requests, WARM_UP.atMost)),
      mostSeconds: WARM_UP.mostSeconds,
    });
    return await (load.perSecond === undefined ? closedLoop(ask, load) : fixedRate(ask, load, load.perSecond));
  } finally {
    await pool.destroy();
  }
}

/** Each connection asks again as soon as it is answered. */
async function closedLoop(ask: () => Promise<void>, { connections, requests, mostSeconds }: Load): Promise<Sample> {
  const latencies: number[] = [];
  const started = performance.now();
  const end = started + mostSeconds * 1_000;
  let left = requests;
  await Promise.all(
    Array.from({ length: connections }, async () => {
      while (left > 0) {
        left -= 1;
        const at = performance.now();
        if (at > end) {
          return;
        }
        await ask();
        latencies.push(performance.now() - at);
      }
    }),
  );
  return sampleOf(latencies, (performance.now() - started) / 1_000);
}

/** Requests come when they are due; each one's latency counts from then. */
async function fixedRate(
  ask: () => Promise<void>,
  { requests, mostSeconds }: Load,
  perSecond: number,
): Promise<Sample> {
  const latencies: number[] = [];
  const waiting: Promise<void>[] = [];
  const count = Math.min(requests, Math.floor(perSecond * mostSeconds));
  const started = performance.now();
  const dueAt = (n: number): number => started + (n * 1_000) / perSecond;
  for (let n = 0; n < count;) {
    for (; n < count && dueAt(n) <= performance.now(); n += 1) {
      const due = dueAt(n);
      waiting.push(
        ask().then(() => {
          latencies.push(performance.now() - due);
        }),
      );
    }
    await sleep(Math.max(0, Math.ceil(dueAt(n) - performance.now())));
  }
  await Promise.all(waiting);
  return sampleOf(latencies, (performance.now() - started) / 1_000);
}

function request(pool: Pool, { path, headers }: Target, body: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let status = 0;
    pool.dispatch(
      { method: "POST", path, headers: { "content-type": "application/json", ...headers }, body },
      {
        // By this one undici knows a handler of its present kind.
        onRequestStart: () => undefined,
        onResponseStart: (_controller, statusCode) => {
          status = statusCode;
        },
        onResponseEnd: () => {
          if (status === 200) {
            resolve();
          } else {
            reject(new Error(`a request was answered with ${status}: ${body.slice(0, 200)}`));
          }
        },
        onResponseError: (_controller, error) => {
          reject(error);
        },
      },
    );
  });
}
