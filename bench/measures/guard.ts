import { join } from "node:path";
import { startGatewayProcess } from "../../src/demo/gateway-process.ts";
import { gatewayContender } from "../contenders/gateway.ts";
import type { HttpContender, Question } from "../contenders/contender.ts";
import { overHttp } from "../contenders/over-http.ts";
import { verbBodies, verbRows } from "../contenders/verbs.ts";
import { compare, loadOf, throughput } from "../measure.ts";
import type { Measure } from "../measure.ts";
import { requireSameAnswers } from "../same-answers.ts";
import { smallest, TEAMS } from "../sizes.ts";
import type { Stage } from "../stage.ts";
import { enrollPeer, loadGateway, onDatabase } from "../world/gateway.ts";

const CONNECTIONS = 8;
/** So many times the rounds of other measures: the two are closer to each other than the runs of one are. */
const TIMES_THE_ROUNDS = 3;
const COUNT_AUDIT = "select count(*)::integer as rows from federation.federation_audit_log where verb = 'list'";

/** What admission, rate limit and audit cost. */
export const GUARD: Measure = {
  name: "guard",
  what: `throughput of list with admission, rate limit and audit / without, ${CONNECTIONS} connections`,
  unit: "ratio",
  target: { atLeast: 0.95 },
  make: async (stage) => {
    const question: Question = { verb: "list", rows: smallest(stage), teams: TEAMS };
    const [guarded, unguarded] = [gatewayContender(stage), await unguardedGateway(stage)];
    await requireSameAnswers([guarded, unguarded.contender], question);
    const samples = await compare(
      stage,
      [guarded, unguarded.contender],
      question,
      loadOf(stage, CONNECTIONS),
      TIMES_THE_ROUNDS * stage.options.rounds,
    );
    await unguarded.stop();
    const { databaseUrl } = await stage.loaded(question.rows);
    if ((await auditRows(databaseUrl)) === 0 || (await auditRows(unguarded.databaseUrl)) > 0) {
      throw new Error("the gateway with audit is to leave rows, and the one without is to leave none");
    }
    return { value: throughput(samples["gateway"]) / throughput(samples["unguarded"]), samples };
  },
};

async function unguardedGateway(
  stage: Stage,
): Promise<{ contender: HttpContender; databaseUrl: string; stop: () => Promise<void> }> {
  const directory = join(stage.folder, "unguarded");
  const rows = smallest(stage);
  const url = (database: string): string => stage.server.url(database);
  const { databaseUrl } = await loadGateway({ url, name: "unguarded", directory, rows, log: stage.log });
  const [program = "", ...args] = stage.mosaic;
  const hook = join(import.meta.dirname, "../unguarded/register.ts");
  const gateway = await startGatewayProcess([program, "--import", hook, ...args], directory);
  stage.closers.add(() => gateway.stop());
  const { tls } = await enrollPeer(directory, TEAMS);
  const contender = overHttp(stage, {
    name: "unguarded",
    target: async (question) => ({
      origin: gateway.federationUrl,
      path: "/federation",
      tls,
      bodies: await verbBodies(stage, question),
    }),
    rowsOf: verbRows,
  });
  return { contender, databaseUrl, stop: () => gateway.stop() };
}

async function auditRows(databaseUrl: string): Promise<number> {
  const { rows } = await onDatabase(databaseUrl, (client) => client.query<{ rows: number }>(COUNT_AUDIT));
  return rows[0]?.rows ?? Number.NaN;
}
