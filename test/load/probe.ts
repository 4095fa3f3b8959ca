import { createServer } from "node:http";
import { join } from "node:path";

// Loaded into a gateway before it starts (`node --expose-gc --import`): says on a socket in the gateway's directory what the process holds.

/** What a gateway's process holds once what nobody needs is collected. */
export interface Held {
  heapBytes: number;
  /** What keeps the process alive, by kind: sockets, timers, requests (Node documentation, process.getActiveResourcesInfo). */
  resources: Record<string, number>;
}

/** The socket of a gateway's directory. */
export const probeSocket = (directory: string): string => join(directory, "probe.sock");

const collect = globalThis.gc;
const directory = process.argv[process.argv.indexOf("--dir") + 1];
if (collect !== undefined && directory !== undefined) {
  createServer((_request, response) => {
    collect();
    const resources: Record<string, number> = {};
    for (const kind of process.getActiveResourcesInfo()) {
      resources[kind] = (resources[kind] ?? 0) + 1;
    }
    const held: Held = { heapBytes: process.memoryUsage().heapUsed, resources };
    response.setHeader("connection", "close").end(JSON.stringify(held));
  })
    .listen(probeSocket(directory))
    .unref();
}
