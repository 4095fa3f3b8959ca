import type { IncomingMessage, ServerResponse } from "node:http";
import { TLSSocket } from "node:tls";
import { Pool } from "pg";
import { CONNECTIONS } from "../setting/work.ts";
import type { BenchGrant } from "../setting/work.ts";
import { createPeerServer, readSettings, serve } from "./serve.ts";

// What a careful developer writes by hand: Node's https, pg, four prepared statements a request. Without what makes a gateway: limits,
// audit, deadlines, filters, cursors, checks of what was sent.
const settings = await readSettings();
const { work, policies } = settings;
const pool = new Pool({ connectionString: work.gatewayUrl, max: CONNECTIONS });
const grants = new Map(Object.values(work.grants).map((grant) => [grant.serial, grant]));

const BY_SOCKET = new WeakMap<object, BenchGrant>();

const COLUMNS = "id, title, body, status, priority, due_on, owner_id, team_id, created_at";
const STATEMENTS = {
  begin: { name: "begin", text: "begin read only" },
  grant: {
    name: "grant",
    text: "select federation.enter_as_peer($1, $2, $3), set_config('role', 'federation_peer', true)",
  },
  settings: {
    name: "settings",
    text: `select set_config('stock.grant_id', $1, true), set_config('stock.subject', $2, true), $3 as serial,
             set_config('role', 'stock_reader', true)`,
  },
  list: { name: "list", text: `select ${COLUMNS} from work.tasks order by created_at, id limit 51` },
  get: { name: "get", text: `select ${COLUMNS} from work.tasks where id = $1` },
  commit: { name: "commit", text: "commit" },
} as const;

const server = createPeerServer(settings, (request, response) => {
  answer(request, response).catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    response.writeHead(500).end();
  });
});
serve(server, settings);

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const grant = grantOf(request);
  const { documentId, variables } = await bodyOf(request);
  const rows = await query(grant, documentId, variables.id);
  const body = JSON.stringify(
    documentId === "list"
      ? { data: { list: { rows: rows.slice(0, 50), nextCursor: rows[49]?.["id"] ?? null } } }
      : { data: { get: rows[0] } },
  );
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body);
}

async function query(
  { grantId, subject, serial }: BenchGrant,
  verb: "list" | "get",
  id: string | undefined,
): Promise<Record<string, unknown>[]> {
  const client = await pool.connect();
  try {
    await client.query(STATEMENTS.begin);
    await client.query({ ...STATEMENTS[policies], values: [grantId, subject, serial] });
    const { rows } = await client.query<Record<string, unknown>>({
      ...STATEMENTS[verb],
      values: verb === "get" ? [id] : [],
    });
    await client.query(STATEMENTS.commit);
    return rows;
  } finally {
    client.release();
  }
}

/** By the certificate's serial; behind a proxy, which has checked it, by the one that it names. */
function grantOf(request: IncomingMessage): BenchGrant {
  const known = BY_SOCKET.get(request.socket);
  if (known !== undefined) {
    return known;
  }
  const serial =
    request.socket instanceof TLSSocket
      ? request.socket.getPeerX509Certificate()?.serialNumber
      : request.headers["x-client-serial"]?.toString();
  const grant = grants.get(serial?.toLowerCase() ?? "");
  if (grant === undefined) {
    throw new Error("the certificate is of no grant");
  }
  BY_SOCKET.set(request.socket, grant);
  return grant;
}

async function bodyOf(request: IncomingMessage): Promise<{ documentId: "list" | "get"; variables: { id?: string } }> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) {
    chunks.push(chunk as Buffer);
  }
  return JSON.parse(Buffer.concat(chunks).toString()) as Awaited<ReturnType<typeof bodyOf>>;
}
