import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { TLSSocket } from "node:tls";
import { Pool, types } from "pg";
import type { QueryConfig } from "pg";
import { sayReady } from "./ready.ts";
import { CLIENT_HEADER, readSetup } from "./setup.ts";
import { STATEMENTS } from "./statements.ts";

// What a user would write by hand: node:https with client certificates, pg, and four statements a request, all of them prepared. Whose certificate it is
// is looked up once a connection; row-level security decides the rows, by the same policies.
//   node bench/peers/hand-written.ts <setup file>
const setup = readSetup(process.argv[2]);

// Times and dates as the database says them: a Date would lose the microseconds that a cursor needs.
for (const oid of [types.builtins.DATE, types.builtins.TIMESTAMPTZ]) {
  types.setTypeParser(oid, (text) => text);
}

interface Asked {
  documentId: "list" | "get" | "search";
  variables: { first?: number; after?: string; id?: string; query?: string };
}

interface Row {
  id: string;
  created_at: string;
  rank?: number;
  snippet?: string;
}

interface Grant {
  subject: string;
  teams: string;
}

const grants = new Map(
  Object.entries(setup.grants).map(([name, { subject, teams }]) => [name, { subject, teams: teams.join(",") }]),
);
const ofConnection = new WeakMap<object, Grant>();
const pool = new Pool({ connectionString: setup.databaseUrl, max: setup.databaseConnections });

const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
  answer(request, response).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    response.writeHead(500).end();
  });
};
const server = setup.behindProxy
  ? createHttpServer({ keepAliveTimeout: 60_000 }, onRequest)
  : createServer(
      {
        key: readFileSync(setup.serverKeyFile),
        cert: readFileSync(setup.serverCertFile),
        ca: readFileSync(setup.caFile),
        requestCert: true,
        minVersion: "TLSv1.3",
        keepAliveTimeout: 60_000,
      },
      onRequest,
    );
sayReady(server, setup.port);

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const grant = grantOf(request);
  if (grant === undefined) {
    response.writeHead(403).end();
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
  }
  const asked = JSON.parse(Buffer.concat(chunks).toString()) as Asked;
  const rows = await query(grant, asked);
  const body = JSON.stringify({
    data: { [asked.documentId]: resultOf(rows, asked) },
  });
  response.writeHead(rows.length === 0 && asked.documentId === "get" ? 404 : 200, {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
  });
  response.end(body);
}

function grantOf(request: IncomingMessage): Grant | undefined {
  if (setup.behindProxy) {
    return grants.get(String(request.headers[CLIENT_HEADER]).replace(/^CN=/, ""));
  }
  const { socket } = request;
  if (!(socket instanceof TLSSocket)) {
    return undefined;
  }
  const known = ofConnection.get(socket) ?? grants.get(String(socket.getPeerCertificate().subject.CN));
  if (known !== undefined) {
    ofConnection.set(socket, known);
  }
  return known;
}

async function query(grant: Grant, { documentId, variables }: Asked): Promise<Row[]> {
  const client = await pool.connect();
  try {
    await client.query({ name: "begin", text: STATEMENTS.begin });
    await client.query({ name: "session", text: STATEMENTS.session, values: [grant.subject, grant.teams] });
    const { rows } = await client.query<Row>(statementOf(documentId, variables));
    await client.query({ name: "commit", text: STATEMENTS.commit });
    return rows;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

function statementOf(documentId: Asked["documentId"], variables: Asked["variables"]): QueryConfig {
  const rows = sizeOf(variables) + 1;
  switch (documentId) {
    case "get":
      return { name: "get", text: STATEMENTS.get, values: [variables.id] };
    case "search":
      return { name: "search", text: STATEMENTS.search, values: [variables.query, rows] };
    case "list":
      return variables.after === undefined
        ? { name: "list", text: STATEMENTS.list, values: [rows] }
        : { name: "listAfter", text: STATEMENTS.listAfter, values: [rows, ...positionOf(variables.after)] };
  }
}

function sizeOf({ first = 50 }: Asked["variables"]): number {
  return first;
}

function positionOf(cursor: string): string[] {
  return JSON.parse(Buffer.from(cursor, "base64url").toString()) as string[];
}

function resultOf(rows: Row[], asked: Asked): unknown {
  switch (asked.documentId) {
    case "get":
      return rows[0];
    case "search":
      return {
        hits: rows
          .slice(0, sizeOf(asked.variables))
          .map(({ rank, snippet, ...row }) => ({ resource: "tasks", id: row.id, rank, snippet, row })),
      };
    case "list":
      return page(rows, asked);
  }
}

function page(rows: Row[], { variables }: Asked): { rows: Row[]; nextCursor: string | null } {
  const size = sizeOf(variables);
  const last = rows[size - 1];
  return {
    rows: rows.slice(0, size),
    nextCursor:
      rows.length > size && last !== undefined
        ? Buffer.from(JSON.stringify([last.created_at, last.id])).toString("base64url")
        : null,
  };
}
