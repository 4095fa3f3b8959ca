import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { addPeer, createGrant, createToken } from "../../src/demo/actors.ts";
import { startGatewayProcess } from "../../src/demo/gateway-process.ts";
import { initGateway } from "../../src/setup/init.ts";
import { openFaultProxy } from "../../test/harness/fault-proxy.ts";
import type { FaultProxy } from "../../test/harness/fault-proxy.ts";
import type { Target } from "../load/job.ts";
import { TEAMS } from "../sizes.ts";
import type { Stage } from "../stage.ts";
import { benchConfig, loadGateway, onDatabase, scopeOf } from "./gateway.ts";
import { HOME_USER, SUBJECT } from "./rows.ts";

/** A home gateway whose user has a grant of each of several others, which stand behind a network of any latency. */
export interface Neighbours {
  /** Names of the others, as a query's `source` has them. */
  sources: string[];
  /** The same `list` through the home gateway over and over, from a source or from `all`. */
  same(source: string): Target;
  /** So many that were never asked before, and that all have the same answer. */
  fresh(source: string, questions: number): Target;
  /** How much later each piece of an answer of the others comes, ms. */
  setLatency(ms: number): Promise<void>;
}

const ROWS = 1_000;
const QUERY = `query ($source: String!, $filter: JSON) {
  list(resource: "tasks", source: $source, filter: $filter) { rows nextCursor sources { source status error { code } } }
}`;

/** Starts so many gateways and the one that asks them. */
export async function neighbours(stage: Stage, count: number): Promise<Neighbours> {
  const url = (database: string): string => stage.server.url(database);
  const home = join(stage.folder, "home");
  await onDatabase(url("postgres"), async (client) => {
    await client.query("drop database if exists bench_home with (force)");
    await client.query("create database bench_home");
  });
  mkdirSync(home, { recursive: true });
  const config = await benchConfig("home.localhost");
  await initGateway({ directory: home, config, databaseUrl: url("bench_home"), sample: true, log: () => undefined });
  await onDatabase(url("bench_home"), (client) =>
    client.query("insert into app.users (id, name, email) values ($1, 'Alice', 'alice@home.localhost')", [HOME_USER]),
  );
  const token = await createToken(home, HOME_USER);
  // Before the others look for ports that are free.
  const gateway = await startGatewayProcess(stage.mosaic, home);
  stage.closers.add(() => gateway.stop());
  const proxies: FaultProxy[] = [];
  for (let number = 0; number < count; number += 1) {
    stage.signal.throwIfAborted();
    proxies.push(await startNeighbour(stage, home, number));
  }
  // A filter that all rows pass makes a question of its own.
  let asked = 0;
  const target = (source: string, questions: readonly number[]): Target => ({
    origin: gateway.homeUrl,
    path: "/graphql",
    headers: { authorization: `Bearer ${token}` },
    bodies: questions.map((n) =>
      JSON.stringify({ query: QUERY, variables: { source, filter: { priority: { gt: -n } } } }),
    ),
  });
  return {
    sources: proxies.map((_, number) => `federated:${nameOf(number)}.localhost`),
    same: (source) => target(source, [0]),
    fresh: (source, questions) =>
      target(
        source,
        Array.from({ length: questions }, () => (asked += 1)),
      ),
    setLatency: async (ms) => {
      await Promise.all(proxies.map((proxy) => proxy.set(ms === 0 ? { kind: "none" } : { kind: "latency", ms })));
    },
  };
}

function nameOf(number: number): string {
  return `peer${number}`;
}

async function startNeighbour(stage: Stage, home: string, number: number): Promise<FaultProxy> {
  const name = nameOf(number);
  const directory = join(stage.folder, name);
  const { listeners, publicUrl } = await benchConfig(name);
  const proxy = await openFaultProxy(new URL(`https://127.0.0.1:${listeners?.federation?.port ?? 0}`));
  stage.closers.add(() => proxy.close());
  const url = (database: string): string => stage.server.url(database);
  await loadGateway({
    ...{ url, name, directory, rows: ROWS, log: stage.log },
    config: { listeners, publicUrl, federationUrl: proxy.url },
  });
  const gateway = await startGatewayProcess(stage.mosaic, directory);
  stage.closers.add(() => gateway.stop());
  const grant = await createGrant(directory, SUBJECT, scopeOf(TEAMS));
  await addPeer(home, HOME_USER, grant.url);
  return proxy;
}
