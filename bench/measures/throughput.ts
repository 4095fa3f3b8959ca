import { gatewayContender } from "../contenders/gateway.ts";
import { handWritten, stockPostGraphile } from "../contenders/peers.ts";
import { pgbench } from "../contenders/pgbench.ts";
import type { Contender, HttpContender, Question } from "../contenders/contender.ts";
import { compare, loadOf, throughput } from "../measure.ts";
import type { Measure } from "../measure.ts";
import { requireSameAnswers } from "../same-answers.ts";
import { second, smallest, TEAMS } from "../sizes.ts";
import type { Stage } from "../stage.ts";

const CONNECTIONS = 8;

/** Who is measured beside the gateway, and what readers know them as. */
interface Rival {
  called: string;
  contender: (stage: Stage) => Contender | HttpContender;
}

const BY_HAND: Rival = { called: "the hand-written handler (b)", contender: handWritten };
const PGBENCH: Rival = { called: "pgbench with the hand-written handler's statements", contender: pgbench };
const POSTGRAPHILE: Rival = { called: "stock PostGraphile (a) with its OR policy", contender: stockPostGraphile };

const against = (
  name: string,
  verb: Question["verb"],
  rival: Rival,
  atLeast: number,
  size: { rowsOf: (stage: Stage) => number; said: string } = { rowsOf: smallest, said: "" },
): Measure => ({
  name,
  what: `throughput of ${verb} / that of ${rival.called}${size.said}, ${CONNECTIONS} connections`,
  unit: "ratio",
  target: { atLeast },
  make: async (stage) => {
    const question: Question = { verb, rows: size.rowsOf(stage), teams: TEAMS };
    const [gateway, other] = [gatewayContender(stage), rival.contender(stage)];
    if ("answer" in other) {
      await requireSameAnswers([gateway, other], question);
    }
    const samples = await compare(stage, [gateway, other], question, loadOf(stage, CONNECTIONS));
    return { value: throughput(samples[gateway.name]) / throughput(samples[other.name]), samples };
  },
});

const SECOND = { rowsOf: second, said: ", at the second size" };

/** Throughput beside that of others who do the same work. */
export const THROUGHPUT: readonly Measure[] = [
  against("list-vs-hand-written", "list", BY_HAND, 1.2),
  against("list-vs-pgbench", "list", PGBENCH, 0.6),
  against("list-vs-hand-written-second", "list", BY_HAND, 1.2, SECOND),
  against("list-vs-pgbench-second", "list", PGBENCH, 0.6, SECOND),
  against("get-vs-hand-written", "get", BY_HAND, 1.2),
  against("list-vs-postgraphile", "list", POSTGRAPHILE, 50, SECOND),
];
