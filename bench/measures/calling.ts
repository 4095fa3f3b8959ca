import { askOnce } from "../contenders/over-http.ts";
import { interleave, median, p50 } from "../measure.ts";
import type { Measure } from "../measure.ts";
import type { Load, Sample, Target } from "../load/job.ts";
import type { Stage } from "../stage.ts";
import { neighbours } from "../world/neighbours.ts";
import type { Neighbours } from "../world/neighbours.ts";

const PEERS = 10;
const PEERS_QUICK = 2;
/** How much later an answer comes between cities, ms. */
const FAR_MS = 20;
/** Requests of a run, each a question of its own, so that no answer is in memory. */
const REQUESTS = 60;
/** The same of one question. */
const REPEATED = 1_000;
/** Requests of all peers before any is measured: a gateway that has just started compiles its code, and plans, for the first of them. */
const WARM_UP = 150;

/** The gateways, used to being asked; once for all measures of theirs. */
function peers(stage: Stage): Promise<Neighbours> {
  return stage.once("neighbours", async () => {
    const all = await neighbours(stage, stage.options.quick ? PEERS_QUICK : PEERS);
    const warmUp = load(stage, WARM_UP);
    await stage.generator.run(all.fresh("all", questions(warmUp)), warmUp);
    return all;
  });
}

/** @throws unless every source that was asked answered, with rows */
async function requireAnswered(target: Target, sources: number): Promise<void> {
  const answer = JSON.parse(await askOnce(target, target.bodies[0] ?? "")) as {
    data?: { list?: { rows: unknown[]; sources: { source: string; status: string; error: unknown }[] } } | null;
  };
  const list = answer.data?.list;
  const served = list?.sources.filter(({ source, error }) => source !== "local" && error === null) ?? [];
  if (list === undefined || list.rows.length === 0 || served.length !== sources) {
    throw new Error(`not every source answered: ${JSON.stringify(answer).slice(0, 500)}`);
  }
}

/** As many as are measured, and as many again that are asked before. */
function questions({ requests }: Load): number {
  return 2 * requests + 10;
}

function load({ options }: Stage, most = REQUESTS): Load {
  return { connections: 1, requests: Math.min(options.requests, most), mostSeconds: 60 };
}

const cache = (name: string, latencyMs: number, where: string): Measure => ({
  name,
  what: `median latency of list through the home gateway with the peer's answer in memory / without, ${where}`,
  unit: "ratio",
  target: { atMost: 0.05 },
  make: async (stage) => {
    const all = await peers(stage);
    await all.setLatency(latencyMs);
    const [source = ""] = all.sources;
    await requireAnswered(all.same(source), 1);
    const samples = await interleave(stage, {
      hit: () => stage.generator.run(all.same(source), load(stage, REPEATED)),
      miss: () => stage.generator.run(all.fresh(source, questions(load(stage))), load(stage)),
    });
    return {
      value: p50(samples.hit) / p50(samples.miss),
      samples,
      notes: [`${REPEATED} requests of a run in memory, ${REQUESTS} without.`],
    };
  },
});

const fanOut = (name: string, latencyMs: number, where: string): Measure => ({
  name,
  what: `median latency of list from ${PEERS} peers at once / from the slowest of them alone, ${where}`,
  unit: "ratio",
  target: { atMost: 1.2 },
  make: async (stage) => {
    const all = await peers(stage);
    await all.setLatency(latencyMs);
    await requireAnswered(all.same("all"), all.sources.length);
    const run = (source: string) => (): Promise<Sample> =>
      stage.generator.run(all.fresh(source, questions(load(stage))), load(stage));
    const samples = await interleave<string, Sample>(stage, {
      all: run("all"),
      ...Object.fromEntries(all.sources.map((source) => [source, run(source)])),
    });
    const slowest = Math.max(
      ...all.sources.map((source) => median((samples[source] ?? []).map((sample) => sample.p50))),
    );
    return {
      value: p50(samples["all"]) / slowest,
      samples,
      notes: [`${all.sources.length} gateways, the one that asks and PostgreSQL share this machine's cores.`],
    };
  },
});

/** What a local user's queries of peers take. */
export const CALLING: readonly Measure[] = [
  cache("cache-hit", 0, "on loopback"),
  cache("cache-hit-far", FAR_MS, `each piece of an answer of the peer's ${FAR_MS} ms later`),
  fanOut("fan-out", 0, "on loopback"),
  fanOut("fan-out-far", FAR_MS, `each piece of their answers ${FAR_MS} ms later`),
];
