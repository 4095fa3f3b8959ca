import { createServer } from "node:net";
import type { Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { PGlite } from "@electric-sql/pglite";
import { pg_trgm } from "@electric-sql/pglite/contrib/pg_trgm";
import { vector } from "@electric-sql/pglite-pgvector";
import { PGLiteSocketHandler } from "@electric-sql/pglite-socket";
import type { PGLiteSocketHandlerOptions } from "@electric-sql/pglite-socket";
import { createBackendQueue } from "./backend-queue.ts";
import { CHANNEL } from "./notice-channel.ts";
import type { DumpAnswer, DumpSection, EmbeddedMessage, EmbeddedOptions } from "./embedded.ts";

// The embedded database computes on the thread that it runs on, so it has one of its own: timers, TLS and signals go on meanwhile.
const IDLE_MS = 60_000;

const { dataFolder, socketFile } = workerData as EmbeddedOptions & { socketFile: string };
const db = await PGlite.create({ dataDir: dataFolder, extensions: { vector, pg_trgm } });
const sockets = new Map<number, Socket>();
const queue = createBackendQueue(db, {
  idleMs: IDLE_MS,
  evict: (connection) => sockets.get(connection)?.destroy(),
  listen: {
    channel: CHANNEL,
    onNotification: (notice) => {
      parentPort?.postMessage({ notice } satisfies EmbeddedMessage);
    },
  },
});

const server = createServer((socket) => {
  const handler = new PGLiteSocketHandler({
    // The class is not exported and these three methods are all that the handler calls.
    queryQueue: queue as unknown as PGLiteSocketHandlerOptions["queryQueue"],
    closeOnDetach: true,
  });
  sockets.set(handler.handlerId, socket);
  socket.once("close", () => sockets.delete(handler.handlerId));
  void handler.attach(socket);
});

// Whoever is connected still (psql, a command) gets a moment to finish.
const FAREWELL_MS = 3_000;

const close = async (): Promise<void> => {
  const closed = new Promise((resolve) => server.close(resolve));
  const timer = setTimeout(() => {
    for (const socket of sockets.values()) {
      socket.destroy();
    }
  }, FAREWELL_MS);
  await closed;
  clearTimeout(timer);
  await db.close();
  parentPort?.close();
};

const dump = async (section: DumpSection): Promise<DumpAnswer> => {
  // A megabyte of WebAssembly that nothing else needs.
  const { pgDump } = await import("@electric-sql/pglite-tools/pg_dump");
  try {
    const file = await pgDump({ pg: db, args: ["--schema-only", `--section=${section}`, "--no-subscriptions"] });
    // pg_dump leaves a transaction and settings behind: with another server, its connection would be gone.
    for (const statement of ["rollback", "discard all", "set session authorization postgres"]) {
      await db.exec(statement);
    }
    return { dump: await file.text() };
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) };
  }
};

parentPort?.on("message", (message: "close" | { dump: DumpSection }) => {
  if (message === "close") {
    void close();
  } else {
    void dump(message.dump).then((answer) => parentPort?.postMessage(answer satisfies EmbeddedMessage));
  }
});

server.listen(socketFile, () => {
  parentPort?.postMessage("ready" satisfies EmbeddedMessage);
});
