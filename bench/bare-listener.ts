import { createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";
import { Client } from "pg";
import { CHANNEL } from "../src/database/notice-channel.ts";
import { readNotice } from "../src/revocation/notices.ts";

// The least that revocation.bench.ts can be compared with: a process that listens, and cuts its connections upon the notice of a revocation.
//   node bench/bare-listener.ts <connection string>
const database = new Client({ connectionString: process.argv[2] });
const open = new Set<Socket>();
database.on("notification", ({ payload }) => {
  if (readNotice(payload ?? "").status === "revoked") {
    for (const socket of open) {
      socket.destroy();
    }
  }
});
await database.connect();
await database.query(`listen ${CHANNEL}`);
const server = createServer((socket) => {
  open.add(socket);
  socket.on("close", () => open.delete(socket)).on("error", () => undefined);
  socket.write("open");
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`);
});
