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
  /** Connections are taken and nothing is ever said. */
  | { kind: "black hole" }
  /** What answers does not speak TLS. */
  | { kind: "garbage" }
  /** The connection ends after so many bytes of what the server says. */
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
  /** Connections that were taken since the last call. */
  taken(): number;
  /** Connections that are open. */
  readonly open: number;
  close(): Promise<void>;
}

/** Opens a proxy on a port of its own of loopback. */
export async function openFaultProxy(target: URL): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  let fault: Fault = { kind: "none" };
  let taken = 0;
  const server = createServer((socket) => {
    taken += 1;
    sockets.add(socket);
    socket.on("error", () => undefined).on("close", () => sockets.delete(socket));
    const now = fault;
    if (now.kind === "black hole") {
      socket.resume();
      return;
    }
    if (now.kind === "garbage") {
      socket.once("data", () => socket.end(randomBytes(300)));
      return;
    }
    const onward = connect({ host: target.hostname, port: Number(target.port) });
    socket.on("close", () => onward.destroy());
    onward.on("error", () => socket.destroy()).on("close", () => socket.end());
    socket.on("data", (chunk: Buffer) => {
      if (fault.kind === "reset") {
        socket.resetAndDestroy();
      } else if (fault.kind !== "half-open") {
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
    taken: () => {
      const count = taken;
      taken = 0;
      return count;
    },
    get open() {
      return sockets.size;
    },
    close: async () => {
      await stop();
    },
  };
}

/** Passes on what the server says, as the fault of the moment has it. */
function passOn(from: Socket, to: Socket, faultNow: () => Fault): void {
  let said = 0;
  const isGone = (): boolean => !to.writable;
  let line = Promise.resolve();
  from.on("data", (chunk: Buffer) => {
    line = line.then(async () => {
      const fault = faultNow();
      said += chunk.length;
      if (isGone() || fault.kind === "half-open") {
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
