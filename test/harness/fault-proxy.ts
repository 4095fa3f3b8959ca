import { randomBytes } from "node:crypto";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

/** What goes wrong between two gateways. */
export type Fault =
  | { kind: "none" }
  /** Every chunk of an answer comes so much later, ms. */
  | { kind: "latency"; ms: number }
  /** An answer comes at so many bytes a second. */
  | { kind: "bandwidth"; bytesPerSecond: number }
  /** The connection is reset when the first byte of a request comes. */
  | { kind: "reset" }
  /** What is sent is taken and never passed on: the other end is gone, and nobody said so. */
  | { kind: "half-open" }
  /** Connections are taken and nothing is ever said; the gateway itself hears of none. */
  | { kind: "black hole" }
  /** What answers is not what the gateway said, nor TLS. */
  | { kind: "garbage" }
  /** The connection ends after so many more bytes of what the server says. */
  | { kind: "truncated"; bytes: number }
  /** One byte every so often, ms. */
  | { kind: "trickle"; ms: number }
  /** Nobody listens. */
  | { kind: "refused" };

/** A TCP proxy before a gateway. */
export interface FaultProxy {
  url: string;
  /** From now on; connections that are open feel it, too. */
  set(fault: Fault): Promise<void>;
  /** Connections that were taken since the last call, and bytes that came on these and on those from before. */
  seen(): { connections: number; bytes: number };
  /** Connections that are open. */
  readonly open: number;
  close(): Promise<void>;
}

/** Opens a proxy on a port of its own of loopback. */
export async function openFaultProxy(target: URL): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  let fault: Fault = { kind: "none" };
  let seen = { connections: 0, bytes: 0 };
  const server = createServer((socket) => {
    seen.connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    socket.on("data", (chunk: Buffer) => (seen.bytes += chunk.length));
    if (fault.kind === "black hole") {
      return;
    }
    const onward = connect({ host: target.hostname, port: Number(target.port) });
    socket.on("close", () => onward.destroy());
    onward.on("error", () => socket.destroy()).on("close", () => socket.end());
    socket.on("data", (chunk: Buffer) => {
      if (fault.kind === "reset") {
        socket.resetAndDestroy();
      } else if (!isSilent(fault)) {
        onward.write(chunk);
      }
    });
    passOn(onward, socket, () => fault);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const stop = (): Promise<unknown> => {
    sockets.forEach((socket) => socket.destroy());
    return server.listening ? new Promise((resolve) => server.close(resolve)) : Promise.resolve();
  };
  return {
    url: `https://127.0.0.1:${port}`,
    set: async (next) => {
      fault = next;
      if (next.kind === "refused") {
        await stop();
      } else if (!server.listening) {
        await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
      }
    },
    seen: () => {
      const before = seen;
      seen = { connections: 0, bytes: 0 };
      return before;
    },
    get open() {
      return sockets.size;
    },
    close: async () => {
      await stop();
    },
  };
}

const isSilent = ({ kind }: Fault): boolean => kind === "half-open" || kind === "black hole";

/** Passes on what the server says, as the fault of the moment has it. */
function passOn(from: Socket, to: Socket, faultNow: () => Fault): void {
  let said = 0;
  let saidSince: Fault | undefined;
  const isGone = (): boolean => !to.writable;
  let line = Promise.resolve();
  from.on("data", (chunk: Buffer) => {
    line = line.then(async () => {
      const fault = faultNow();
      said = saidSince === fault ? said + chunk.length : chunk.length;
      saidSince = fault;
      if (isGone() || isSilent(fault)) {
        return;
      }
      if (fault.kind === "garbage") {
        to.end(randomBytes(chunk.length));
        return;
      }
      if (fault.kind === "truncated" && said > fault.bytes) {
        to.end(chunk.subarray(0, Math.max(0, chunk.length - (said - fault.bytes))));
        return;
      }
      if (fault.kind === "latency") {
        await pause(fault.ms);
      } else if (fault.kind === "bandwidth" || fault.kind === "trickle") {
        const ms = fault.kind === "trickle" ? fault.ms : 20;
        const size = fault.kind === "trickle" ? 1 : Math.max(1, Math.floor((fault.bytesPerSecond * ms) / 1_000));
        for (let at = 0; at < chunk.length && !isGone(); at += size) {
          to.write(chunk.subarray(at, at + size));
          await pause(ms);
        }
        return;
      }
      if (!isGone()) {
        to.write(chunk);
      }
    });
  });
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms).unref();
  });
