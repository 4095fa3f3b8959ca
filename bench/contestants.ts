import { freePorts, startGatewayProcess } from "../src/demo/gateway-process.ts";
import { MOSAIC } from "../test/harness/mosaic.ts";
import type { PostgresServer } from "../test/harness/postgres-server.ts";
import { cpuSecondsOf } from "./load/cpu.ts";
import type { Job } from "./load/job.ts";
import { runLoad } from "./load/run-load.ts";
import { pgbenchVersion, runPgbench } from "./load/pgbench.ts";
import { statementsOf } from "./load/statements.ts";
import type { Verb } from "./load/statements.ts";
import { nginxVersion, startNginx } from "./peers/nginx.ts";
import { startPeer } from "./peers/peer-process.ts";
import type { ServerTls } from "./peers/tls.ts";
import { openForeign } from "./setting/foreign.ts";
import type { ServerFiles } from "./setting/server.ts";
import type { Teams } from "./setting/sizes.ts";
import type { Work } from "./setting/work.ts";

/** What is asked of a contestant in one round. */
export interface Round {
  verb: Verb;
  teams: Teams;
  connections: number;
  measureMs: number;
  rate?: number;
  /** Ids that `get` asks for, one after the other. */
  ids: string[];
  /** Cursor of the page that `list` asks for; undefined is the first. */
  after?: string;
}

/** What a contestant did in one round: a second, and ms. */
export interface Measured {
  throughput: number;
  p50: number;
  p99: number | undefined;
  /** What one request costs the server and the database, CPU milliseconds, the load generator left out; also for what pgbench measures. */
  cpuMs: number;
}

/** Who is measured. */
export interface Contestant {
  name: string;
  /** One line for the report. */
  what: string;
  /** A limit takes no part: it says what is left. */
  kind: "gateway" | "peer" | "limit";
  verbs: Verb[];
  /** Whether it can be sent requests at a rate. */
  paced: boolean;
  measure(round: Round): Promise<Measured>;
}

/** Everybody who can be had, and what could not. */
export interface Contestants {
  all: Contestant[];
  /** By reason. */
  absent: Record<string, string>;
  close(): Promise<void>;
}

const WARM_UP_MS = 400;

/** Starts them all; each waits for its turn. */
export async function openContestants(
  server: PostgresServer & { files: ServerFiles },
  work: Work,
  tls: ServerTls,
): Promise<Contestants> {
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const stop of closers.splice(0).reverse()) {
      await stop();
    }
  };
  try {
    return { ...(await openAll(server, work, tls, closers)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function openAll(
  server: PostgresServer & { files: ServerFiles },
  work: Work,
  tls: ServerTls,
  closers: (() => Promise<void>)[],
): Promise<Omit<Contestants, "close">> {
  const gateway = await startGatewayProcess(MOSAIC, work.directory);
  closers.push(() => gateway.stop());
  const ports = await freePorts(7);
  const port = (place: number): number => ports[place] ?? 0;
  const start = async (
    place: number,
    name: string,
    policies: "grant" | "settings",
    mutual = true,
  ): Promise<[url: string, pids: number[]]> => {
    const peer = await startPeer(name, { work, tls, port: port(place), mutual, policies });
    closers.push(() => peer.stop());
    return [`https://127.0.0.1:${port(place)}`, [peer.pid]];
  };
  const http = (url: string, pids: number[], bodyOf: (round: Round) => string[]): Contestant["measure"] => {
    return async (round) => {
      const { certificate, key } = work.grants[round.teams];
      const { connections, measureMs, rate } = round;
      const job: Job = {
        ...{ url, ca: tls.rootPem + work.rootPem, certificate, key, connections, measureMs, warmUpMs: WARM_UP_MS },
        ...(rate === undefined ? {} : { rate }),
        bodies: bodyOf(round),
      };
      const before = cpuSecondsOf([server.pid, ...pids]);
      const result = await runLoad(job);
      return { ...result, cpuMs: ((cpuSecondsOf([server.pid, ...pids]) - before) * 1000) / result.sent };
    };
  };
  const pgbench = (url: string, which: Parameters<typeof statementsOf>[0]): Contestant["measure"] => {
    return async ({ verb, teams, connections, measureMs, ids }) => {
      const script = statementsOf(which, verb, work.grants[teams], ids[0] ?? "");
      const seconds = Math.max(1, Math.round(measureMs / 1000));
      const before = cpuSecondsOf([server.pid]);
      const { transactions, throughput, latency } = await runPgbench({ url, script, connections, seconds });
      const cpuMs = ((cpuSecondsOf([server.pid]) - before) * 1000) / transactions;
      return { throughput, p50: latency, p99: undefined, cpuMs };
    };
  };
  const all: Contestant[] = [];
  const absent: Record<string, string> = {
    PostgREST: "no package of a registry that this machine reaches carries its binary",
  };
  const add = (who: Pick<Contestant, "name" | "kind" | "what" | "measure"> & Partial<Contestant>): void => {
    all.push({ verbs: ["list", "get"], paced: true, ...who });
  };

  add({
    name: "gateway",
    kind: "gateway",
    what: "this gateway, tier standalone",
    measure: http(gateway.federationUrl, [gateway.pid], verbBodies),
  });
  add({
    name: "hand-written",
    kind: "peer",
    what: "node:https and pg, four prepared statements, the same policies",
    measure: http(...(await start(0, "hand-written", "grant")), verbBodies),
  });
  add({
    name: "hand-written, settings",
    kind: "peer",
    what: "the same, policies that believe two settings",
    measure: http(...(await start(1, "hand-written", "settings")), verbBodies),
  });
  if (nginxVersion() === undefined) {
    absent["nginx"] = "it is not installed";
  } else {
    const [, pids] = await start(2, "hand-written", "grant", false);
    const proxy = await startNginx(work, tls, port(3), port(2));
    closers.push(() => proxy.stop());
    add({
      name: "nginx + hand-written",
      kind: "peer",
      what: "nginx ends TLS, plain HTTP to the hand-written handler",
      measure: http(`https://127.0.0.1:${port(3)}`, [proxy.pid, ...pids], verbBodies),
    });
  }
  add({
    name: "stock PostGraphile",
    kind: "peer",
    what: "PostGraphile 5, Amber preset, node:https, policies that believe two settings",
    measure: http(...(await start(4, "stock-postgraphile", "settings")), graphqlBodies),
  });
  if (pgbenchVersion() === undefined) {
    absent["pgbench and postgres_fdw"] = "pgbench is not installed";
  } else {
    add({
      name: "postgres_fdw",
      kind: "peer",
      what: "from another database over TLS with a client certificate, policies that believe two settings, by pgbench",
      paced: false,
      measure: pgbench(await openForeign(server, work, 10), "foreign"),
    });
    add({
      name: "pgbench",
      kind: "limit",
      what: "the hand-written handler's four statements, prepared, no TLS",
      paced: false,
      measure: pgbench(work.gatewayUrl, "grant"),
    });
    add({
      name: "pgbench, settings",
      kind: "limit",
      what: "the same with policies that believe two settings",
      paced: false,
      measure: pgbench(work.gatewayUrl, "settings"),
    });
    add({
      name: "pgbench, verbs",
      kind: "limit",
      what: "the gateway's own functions in four statements, prepared, no TLS",
      paced: false,
      measure: pgbench(work.gatewayUrl, "verbs"),
    });
  }
  add({
    name: "TLS alone",
    kind: "limit",
    what: "node:https that sends as many bytes as a page has",
    verbs: ["list"],
    paced: false,
    measure: http(...(await start(5, "same-bytes", "grant")), verbBodies),
  });
  return { all, absent };
}

function verbBodies({ verb, ids, after }: Round): string[] {
  return verb === "list"
    ? [
        JSON.stringify({
          documentId: "list",
          variables: { resource: "tasks", ...(after === undefined ? {} : { after }) },
        }),
      ]
    : ids.map((id) => JSON.stringify({ documentId: "get", variables: { resource: "tasks", id } }));
}

const FIELDS = "rowId title body status priority dueOn ownerId teamId createdAt";

function graphqlBodies({ verb, ids }: Round): string[] {
  return verb === "list"
    ? [
        JSON.stringify({
          query: `{ allTasks(first: 50, orderBy: [CREATED_AT_ASC, ROW_ID_ASC]) { nodes { ${FIELDS} } pageInfo { hasNextPage endCursor } } }`,
        }),
      ]
    : ids.map((id) =>
        JSON.stringify({ query: `query ($id: UUID!) { taskByRowId(rowId: $id) { ${FIELDS} } }`, variables: { id } }),
      );
}
