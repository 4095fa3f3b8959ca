import { Client } from "undici";
import { gatewayContender } from "../contenders/gateway.ts";
import type { Question } from "../contenders/contender.ts";
import type { Target } from "../load/job.ts";
import { interleave, loadOf, p50 } from "../measure.ts";
import type { Measure, Measured } from "../measure.ts";
import { largest, smallest, TEAMS } from "../sizes.ts";
import type { Stage } from "../stage.ts";

/** The page that is asked for by cursor, counted from 1. */
const DEEP = 1_000;
const DEEP_QUICK = 20;

/** A request for the first page. */
function firstPage(stage: Stage, question: Question): Promise<Target> {
  return gatewayContender(stage).target(question);
}

/** A request for a page that all before it lead to, by their cursors. */
async function deepPage(stage: Stage, question: Question): Promise<Target> {
  const target = await firstPage(stage, question);
  const { first } = question;
  const bodyOf = (after: string | undefined): string =>
    JSON.stringify({ documentId: "list", variables: { resource: "tasks", first, after } });
  const client = new Client(target.origin, { connect: { ...target.tls } });
  try {
    let after: string | undefined;
    for (let page = 1; page < (stage.options.quick ? DEEP_QUICK : DEEP); page += 1) {
      stage.signal.throwIfAborted();
      const { body } = await client.request({
        method: "POST",
        path: target.path,
        headers: { "content-type": "application/json" },
        body: bodyOf(after),
      });
      const { data } = (await body.json()) as { data: { list: { nextCursor: string | null } } };
      if (data.list.nextCursor === null) {
        throw new Error(`${question.rows} rows end at page ${page}`);
      }
      after = data.list.nextCursor;
    }
    return { ...target, bodies: [bodyOf(after)] };
  } finally {
    await client.destroy();
  }
}

/** The median latency of one request beside another's, of one connection. */
async function latencyRatio(
  stage: Stage,
  targets: Record<"over" | "under", [name: string, target: Target]>,
): Promise<Measured> {
  const { over, under } = targets;
  const load = loadOf(stage, 1);
  const samples = await interleave(stage, {
    [over[0]]: () => stage.generator.run(over[1], load),
    [under[0]]: () => stage.generator.run(under[1], load),
  });
  return { value: p50(samples[over[0]]) / p50(samples[under[0]]), samples };
}

/** How latency grows with the rows of the table and with the depth of the page. */
export const GROWTH: readonly Measure[] = [
  {
    name: "first-page-growth",
    what: "median latency of the first page of list, at the largest size / at the smallest",
    unit: "ratio",
    target: { atMost: 1.2 },
    make: async (stage: Stage): Promise<Measured> => {
      const of = async (rows: number): Promise<[string, Target]> => [
        `${rows} rows`,
        await firstPage(stage, { verb: "list", rows, teams: TEAMS }),
      ];
      return latencyRatio(stage, { over: await of(largest(stage)), under: await of(smallest(stage)) });
    },
  },
  {
    name: "page-1000-growth",
    what: "median latency of page 1 000 of list by cursor, one row a page, at the largest size / at the smallest",
    unit: "ratio",
    target: { atMost: 1.2 },
    make: async (stage: Stage): Promise<Measured> => {
      const of = async (rows: number): Promise<[string, Target]> => [
        `${rows} rows`,
        await deepPage(stage, { verb: "list", rows, teams: TEAMS, first: 1 }),
      ];
      return {
        ...(await latencyRatio(stage, { over: await of(largest(stage)), under: await of(smallest(stage)) })),
        notes: ["Pages of one row: the smallest table has no 1 000 pages of 50 rows in scope."],
      };
    },
  },
  {
    name: "page-1000-depth",
    what: "median latency of page 1 000 of list by cursor / of the first page, both of the largest size",
    unit: "ratio",
    make: async (stage: Stage): Promise<Measured> => {
      // A page of one row in quick runs, whose tables are small.
      const question: Question = {
        verb: "list",
        rows: largest(stage),
        teams: TEAMS,
        first: stage.options.quick ? 1 : 50,
      };
      return latencyRatio(stage, {
        over: ["page 1 000", await deepPage(stage, question)],
        under: ["first page", await firstPage(stage, question)],
      });
    },
  },
];
