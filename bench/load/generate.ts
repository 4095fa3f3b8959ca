import { createHistogram } from "node:perf_hooks";
import { text } from "node:stream/consumers";
import { Client } from "undici";
import type { Job, LoadResult } from "./job.ts";

// A load generator in a process of its own: so many connections with mutual TLS, each with one request at a time. Where requests arrive at a
// rate, their time runs from when they should have been sent, so that waiting is counted (Tene, "How not to measure latency").
const job = JSON.parse(await text(process.stdin)) as Job;
const { bodies, rate } = job;
const idle = Array.from(
  { length: job.connections },
  () => new Client(job.url, { pipelining: 1, connect: { ca: job.ca, cert: job.certificate, key: job.key } }),
);
const histogram = createHistogram();
const start = performance.now();
const measuredFrom = start + job.warmUpMs;
const end = measuredFrom + job.measureMs;
let [sent, answered, bytes] = [0, 0, 0];

await (rate === undefined ? closedLoop() : fixedRate(rate));
const seconds = job.measureMs / 1000;
const { user, system } = process.cpuUsage();
const result: LoadResult = {
  requests: answered,
  sent,
  seconds,
  throughput: answered / seconds,
  p50: histogram.percentile(50) / 1e6,
  p99: histogram.percentile(99) / 1e6,
  bytes,
  cpuSeconds: (user + system) / 1e6,
};
process.stdout.write(JSON.stringify(result));
process.exit(0);

async function closedLoop(): Promise<void> {
  await Promise.all(
    idle.map(async (client) => {
      for (let now = performance.now(); now < end; now = performance.now()) {
        await send(client, now);
      }
    }),
  );
}

async function fixedRate(perSecond: number): Promise<void> {
  const waiting: number[] = [];
  let arrived = 0;
  let running = 0;
  const startNext = (): void => {
    while (idle.length > 0 && waiting.length > 0) {
      const client = idle.pop();
      const due = waiting.shift();
      if (client !== undefined && due !== undefined) {
        running += 1;
        void send(client, due).then(() => {
          running -= 1;
          idle.push(client);
          startNext();
        });
      }
    }
  };
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      for (; start + (arrived * 1000) / perSecond <= Math.min(performance.now(), end); arrived += 1) {
        waiting.push(start + (arrived * 1000) / perSecond);
      }
      startNext();
      if (performance.now() > end && (running === 0 || performance.now() > end + job.measureMs)) {
        clearInterval(timer);
        resolve();
      }
    }, 1);
  });
}

/** Sends one request; its time runs from `due`. */
function send(client: Client, due: number): Promise<void> {
  const body = bodies[sent % bodies.length];
  sent += 1;
  return new Promise((resolve, reject) => {
    let length = 0;
    client.dispatch(
      { method: "POST", path: "/federation", headers: { "content-type": "application/json" }, body: body ?? "" },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, status) => {
          if (status !== 200) {
            reject(new Error(`a request ended with ${status}`));
          }
        },
        onResponseData: (_controller, chunk) => (length += chunk.length),
        onResponseEnd: () => {
          const now = performance.now();
          bytes = length;
          if (now >= measuredFrom && now <= end) {
            answered += 1;
            histogram.record(Math.max(1, Math.round((now - due) * 1e6)));
          }
          resolve();
        },
        onResponseError: (_controller, error) => {
          reject(error);
        },
      },
    );
  });
}
