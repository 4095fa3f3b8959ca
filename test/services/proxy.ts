import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";

/** What stands between the gateways and a service: closed, the service is away from one moment to the next. */
export interface Proxy {
  port: number;
  open: () => Promise<void>;
  close: () => Promise<void>;
}

/** Opens a proxy on a free port of loopback, which passes every byte on to `target`. */
export async function openProxy(target: URL): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let server: Server | undefined;
  let port = 0;
  const open = async (): Promise<void> => {
    server = createServer((socket) => {
      const onward = connect({ host: target.hostname, port: Number(target.port) });
      for (const [from, to] of [
        [socket, onward],
        [onward, socket],
      ] as const) {
        sockets.add(from);
        from.pipe(to);
        from.on("error", () => to.destroy()).on("close", () => sockets.delete(from));
      }
    });
    await new Promise<void>((resolve) => server?.listen(port, "127.0.0.1", resolve));
    ({ port } = server.address() as AddressInfo);
  };
  await open();
  return {
    port,
    open,
    close: async () => {
      sockets.forEach((socket) => socket.destroy());
      await new Promise((resolve) => server?.close(resolve));
    },
  };
}
