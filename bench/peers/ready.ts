import type { Server } from "node:net";

/** Listens on loopback, says so on standard output, and ends at SIGTERM. */
export function sayReady(server: Server, port: number): void {
  server.listen(port, "127.0.0.1", () => process.stdout.write("ready\n"));
  process.once("SIGTERM", () => {
    process.exit(0);
  });
}
