import type { Contender, Question } from "../contenders/contender.ts";
import { gatewayContender } from "../contenders/gateway.ts";
import { hasNginx, nginxBefore } from "../contenders/nginx.ts";
import { handWritten, sameBytes, stockPostGraphile } from "../contenders/peers.ts";
import { pgbench, postgresFdw } from "../contenders/pgbench.ts";
import type { Load } from "../load/job.ts";
import { compare, loadOf, throughput } from "../measure.ts";
import type { Survey, Surveyed } from "../measure.ts";
import { requireSameAnswers } from "../same-answers.ts";
import { smallest, TEAMS } from "../sizes.ts";
import type { Stage } from "../stage.ts";
import { SCOPES } from "../world/server.ts";

const CONNECTIONS = [1, 8, 64] as const;
const USUAL_CONNECTIONS = 8;
/** Of the throughput that the slower of the gateway and the hand-written handler has in a closed loop. */
const ARRIVAL_SHARE = 0.5;

/** Those that answer over HTTP with rows of their own. */
function servers(stage: Stage): ReturnType<typeof gatewayContender>[] {
  return [
    gatewayContender(stage),
    handWritten(stage),
    stockPostGraphile(stage),
    ...(hasNginx() ? [nginxBefore(stage)] : []),
  ];
}

function everybody(stage: Stage): Contender[] {
  return [...servers(stage), postgresFdw(stage), pgbench(stage), sameBytes(stage, gatewayContender(stage))];
}

function surveyLoad(stage: Stage, connections: number): Load {
  return { ...loadOf(stage, connections), mostSeconds: stage.options.mostSurveySeconds };
}

/** The same contenders in one setting after another. */
async function inTurn(
  stage: Stage,
  settings: readonly { setting: string; question: Question; connections: number }[],
  contenders: (stage: Stage) => Contender[],
): Promise<Surveyed[]> {
  const surveyed: Surveyed[] = [];
  // A quick run does the last alone: the most connections, teams or rows.
  for (const { setting, question, connections } of stage.options.quick ? settings.slice(-1) : settings) {
    await requireSameAnswers(servers(stage), question);
    surveyed.push({
      setting,
      samples: await compare(stage, contenders(stage), question, surveyLoad(stage, connections)),
    });
  }
  return surveyed;
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;

function byConnections(name: string, verb: Question["verb"], what: string): Survey {
  return {
    name,
    what: `${what} at the smallest size, ${TEAMS} teams in scope, by connections`,
    make: (stage) =>
      inTurn(
        stage,
        CONNECTIONS.map((connections) => ({
          setting: counted(connections, "connection"),
          question: { verb, rows: smallest(stage), teams: TEAMS },
          connections,
        })),
        everybody,
      ),
  };
}

/** Everything side by side. */
export const SURVEYS: readonly Survey[] = [
  byConnections("by-connections", "list", "list of 50 rows"),
  {
    name: "by-scope",
    what: `list of 50 rows at the smallest size, ${USUAL_CONNECTIONS} connections, by teams in scope`,
    make: (stage) =>
      inTurn(
        stage,
        SCOPES.map((teams) => ({
          setting: counted(teams, "team"),
          question: { verb: "list", rows: smallest(stage), teams },
          connections: USUAL_CONNECTIONS,
        })),
        everybody,
      ),
  },
  {
    name: "by-rows",
    what: `list of 50 rows, ${TEAMS} teams in scope, one connection, by rows of the table`,
    make: (stage) =>
      inTurn(
        stage,
        stage.options.rows.map((rows) => ({
          setting: `${rows} rows`,
          question: { verb: "list", rows, teams: TEAMS },
          // Those who sort all that the subject may see take seconds for each of many rows.
          connections: 1,
        })),
        everybody,
      ),
  },
  byConnections("get-by-connections", "get", "get"),
  byConnections("search-by-connections", "search", "search for one row by its words"),
  {
    name: "fixed-rate",
    what: `list at a fixed arrival rate, ${USUAL_CONNECTIONS} connections: latency counts from when a request was due`,
    make: async (stage: Stage): Promise<Surveyed[]> => {
      const question: Question = { verb: "list", rows: smallest(stage), teams: TEAMS };
      const load = loadOf(stage, USUAL_CONNECTIONS);
      const most = await compare(stage, [gatewayContender(stage), handWritten(stage)], question, load);
      const slower = Math.min(...Object.values(most).map((samples) => throughput(samples)));
      const perSecond = Math.max(1, Math.floor(slower * ARRIVAL_SHARE));
      return [
        {
          setting: `${perSecond} requests a second`,
          samples: await compare(stage, servers(stage), question, { ...load, perSecond }),
        },
      ];
    },
  },
];
