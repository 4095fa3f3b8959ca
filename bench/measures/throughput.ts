import { gatewayContender } from "../contenders/gateway.ts";
import { handWritten } from "../contenders/peers.ts";
import type { Question } from "../contenders/contender.ts";
import { compare, loadOf, throughput } from "../measure.ts";
import type { Measure } from "../measure.ts";
import { requireSameAnswers } from "../same-answers.ts";
import type { Stage } from "../stage.ts";

const CONNECTIONS = 8;
/** Teams in scope where nothing else is said. */
const TEAMS = 10;

function questionOf({ options }: Stage, verb: Question["verb"]): Question {
  return { verb, rows: options.rows[0] ?? 0, teams: TEAMS };
}

const againstHandWritten = (verb: Question["verb"]): Measure => ({
  name: `${verb}-vs-hand-written`,
  what: `throughput of ${verb} / that of the hand-written handler (b), 8 connections`,
  unit: "ratio",
  target: { atLeast: 1.2 },
  make: async (stage) => {
    const question = questionOf(stage, verb);
    const contenders = [gatewayContender(stage), handWritten(stage)];
    await requireSameAnswers(contenders, question);
    const samples = await compare(stage, contenders, question, loadOf(stage, CONNECTIONS));
    return { value: throughput(samples["gateway"]) / throughput(samples["hand-written"]), samples };
  },
});

/** Throughput beside that of others who do the same work. */
export const THROUGHPUT: Measure[] = [againstHandWritten("list"), againstHandWritten("get")];
