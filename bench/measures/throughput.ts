import { gatewayContender } from "../contenders/gateway.ts";
import { handWritten, stockPostGraphile } from "../contenders/peers.ts";
import { pgbench } from "../contenders/pgbench.ts";
import type { Question } from "../contenders/contender.ts";
import { compare, loadOf, throughput } from "../measure.ts";
import type { Measure } from "../measure.ts";
import { requireSameAnswers } from "../same-answers.ts";
import { smallest, TEAMS } from "../sizes.ts";

const CONNECTIONS = 8;

const againstHandWritten = (verb: Question["verb"]): Measure => ({
  name: `${verb}-vs-hand-written`,
  what: `throughput of ${verb} / that of the hand-written handler (b), ${CONNECTIONS} connections`,
  unit: "ratio",
  target: { atLeast: 1.2 },
  make: async (stage) => {
    const question = { verb, rows: smallest(stage), teams: TEAMS };
    const contenders = [gatewayContender(stage), handWritten(stage)];
    await requireSameAnswers(contenders, question);
    const samples = await compare(stage, contenders, question, loadOf(stage, CONNECTIONS));
    return { value: throughput(samples["gateway"]) / throughput(samples["hand-written"]), samples };
  },
});

const againstPgbench: Measure = {
  name: "list-vs-pgbench",
  what: `throughput of list / that of pgbench with the hand-written handler's statements, ${CONNECTIONS} connections`,
  unit: "ratio",
  target: { atLeast: 0.6 },
  make: async (stage) => {
    const question: Question = { verb: "list", rows: smallest(stage), teams: TEAMS };
    const samples = await compare(
      stage,
      [gatewayContender(stage), pgbench(stage)],
      question,
      loadOf(stage, CONNECTIONS),
    );
    return { value: throughput(samples["gateway"]) / throughput(samples["pgbench"]), samples };
  },
};

const againstPostGraphile: Measure = {
  name: "list-vs-postgraphile",
  what: `throughput of list / that of stock PostGraphile (a) with its OR policy, at the second size, ${CONNECTIONS} connections`,
  unit: "ratio",
  target: { atLeast: 50 },
  make: async (stage) => {
    const rows = stage.options.rows[1] ?? smallest(stage);
    const question: Question = { verb: "list", rows, teams: TEAMS };
    const contenders = [gatewayContender(stage), stockPostGraphile(stage)];
    await requireSameAnswers(contenders, question);
    const samples = await compare(stage, contenders, question, loadOf(stage, CONNECTIONS));
    return { value: throughput(samples["gateway"]) / throughput(samples["postgraphile"]), samples };
  },
};

/** Throughput beside that of others who do the same work. */
export const THROUGHPUT: readonly Measure[] = [
  againstHandWritten("list"),
  againstPgbench,
  againstHandWritten("get"),
  againstPostGraphile,
];
