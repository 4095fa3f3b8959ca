import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../../src/demo/gateway-process.ts";
import type { TlsClient } from "../world/certificates.ts";
import { SUBJECT, teamsInScope } from "../world/rows.ts";
import { certificateName, SCOPES } from "../world/server.ts";
import { writeSetup } from "../peers/setup.ts";
import { saidReady, startProcess } from "../peers/start.ts";
import { readerUrl } from "../peers/statements.ts";
import type { Stage } from "../stage.ts";
import type { HttpContender, PlainRow, Question } from "./contender.ts";
import { overHttp } from "./over-http.ts";
import { someInScope, verbBodies, verbRows } from "./verbs.ts";

/** As many as a gateway has unless it is configured otherwise. */
const DATABASE_CONNECTIONS = 10;

/** (b): node:https and pg, four prepared statements. */
export function handWritten(stage: Stage): HttpContender {
  return overHttp(stage, {
    name: "hand-written",
    target: async (question) => ({
      ...(await peerOn(stage, "hand-written", question)),
      path: "/",
      bodies: await verbBodies(stage, question),
    }),
    rowsOf: verbRows,
  });
}

/** (a): PostGraphile as it comes. */
export function stockPostGraphile(stage: Stage): HttpContender {
  return overHttp(stage, {
    name: "postgraphile",
    target: async (question) => ({
      ...(await peerOn(stage, "stock-postgraphile", question)),
      path: "/graphql",
      bodies: await graphqlBodies(stage, question),
    }),
    rowsOf: ({ verb }, answer) => {
      const { data } = answer as {
        data: { allTasks: { nodes: PlainRow[] }; searchTasks: { nodes: PlainRow[] }; taskByRowId: PlainRow };
      };
      const rows = {
        list: () => data.allTasks.nodes,
        search: () => data.searchTasks.nodes,
        get: () => [data.taskByRowId],
      }[verb]();
      return rows.map(({ rowId: id, ...row }) => ({ ...row, id }));
    },
  });
}

/** The limit of Node's TLS and HTTP: the bytes of an answer of the gateway's, from memory. */
export function sameBytes(stage: Stage, gateway: HttpContender): HttpContender {
  return overHttp(stage, {
    name: "same bytes",
    target: async (question) => ({
      ...(await peerOn(stage, "same-bytes", question, async () => (await gateway.answer(question)).text)),
      path: "/",
      bodies: await verbBodies(stage, question),
    }),
    rowsOf: verbRows,
  });
}

const FIELDS = "rowId title body status priority dueOn ownerId teamId projectId createdAt";

async function graphqlBodies(stage: Stage, question: Question): Promise<string[]> {
  const { verb, first = 50 } = question;
  if (verb === "list") {
    const query = `query ($first: Int!) {
      allTasks(first: $first, orderBy: [CREATED_AT_ASC, ROW_ID_ASC]) { nodes { ${FIELDS} } pageInfo { hasNextPage endCursor } }
    }`;
    return [JSON.stringify({ query, variables: { first } })];
  }
  const some = await someInScope(stage, question);
  if (verb === "search") {
    const query = `query ($words: String!, $first: Int!) {
      searchTasks(query: $words, first: $first) { nodes { ${FIELDS} } pageInfo { hasNextPage endCursor } }
    }`;
    return some.map(({ words }) => JSON.stringify({ query, variables: { words, first } }));
  }
  const query = `query ($id: UUID!) { taskByRowId(rowId: $id) { ${FIELDS} } }`;
  return some.map(({ id }) => JSON.stringify({ query, variables: { id } }));
}

/** Starts a peer's process on a database, once; what a client of it shows for so many teams in scope. */
async function peerOn(
  stage: Stage,
  program: string,
  { rows, teams, verb }: Question,
  bytes?: () => Promise<string>,
): Promise<{ origin: string; tls: TlsClient }> {
  const key = bytes === undefined ? `${program} ${rows}` : `${program} ${rows} ${teams} ${verb}`;
  const port = await stage.once(key, async () => {
    const setupFile = await peerSetup(stage, rows, { behindProxy: false });
    const bytesFile = join(stage.folder, `${key.replaceAll(" ", "-")}.json`);
    if (bytes !== undefined) {
      writeFileSync(bytesFile, await bytes());
    }
    stage.log(`${key} rows: starts`);
    const script = join(import.meta.dirname, `../peers/${program}.ts`);
    const peer = await startProcess([process.execPath, script, setupFile.file, bytesFile], saidReady);
    stage.closers.add(() => peer.stop());
    return setupFile.port;
  });
  return { origin: `https://127.0.0.1:${port}`, tls: tlsClientOf(stage, teams) };
}

/** What a client of a peer shows for so many teams in scope. */
export function tlsClientOf(stage: Stage, teams: number): TlsClient {
  const found = stage.certificates.clients.get(certificateName(teams));
  if (found === undefined) {
    throw new Error(`no certificate was made for ${teams} teams`);
  }
  const { ca, cert, key } = found;
  return { ca, cert, key };
}

/** Writes what a peer's process is told, with a port of its own. */
export async function peerSetup(
  stage: Stage,
  rows: number,
  { behindProxy }: { behindProxy: boolean },
): Promise<{ file: string; port: number }> {
  const { databaseUrl } = await stage.loaded(rows);
  const [port = 0] = await freePorts(1);
  const file = join(stage.folder, `setup-${port}.json`);
  const { caFile, serverCertFile, serverKeyFile } = stage.certificates;
  writeSetup(file, {
    ...{ caFile, serverCertFile, serverKeyFile, port, behindProxy },
    databaseUrl: readerUrl(databaseUrl),
    databaseConnections: DATABASE_CONNECTIONS,
    grants: Object.fromEntries(
      SCOPES.map((count) => [certificateName(count), { subject: SUBJECT, teams: teamsInScope(count) }]),
    ),
  });
  return { file, port };
}
