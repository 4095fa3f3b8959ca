import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { gatewayContender } from "../contenders/gateway.ts";
import { listensAt } from "../contenders/nginx.ts";
import { interleave, median } from "../measure.ts";
import type { Measure } from "../measure.ts";
import { startProcess } from "../peers/start.ts";
import { smallest, TEAMS } from "../sizes.ts";
import type { Stage } from "../stage.ts";
import { certificateName } from "../world/server.ts";

/** Clients that connect at the same time, each one connection after the other. */
const CLIENTS = 4;

/** What `openssl s_time` is told. */
interface Door {
  port: number;
  caFile: string;
  certFile: string;
  keyFile: string;
}

/** New connections. */
export const HANDSHAKES: Measure = {
  name: "connections",
  what: `new mTLS connections a second / those of openssl s_server, ${CLIENTS} clients (openssl s_time, TLS 1.3, no session is resumed)`,
  unit: "ratio",
  target: { atLeast: 0.5 },
  make: async (stage) => {
    const [gateway, openssl] = [await gatewayDoor(stage), await opensslDoor(stage)];
    const samples = await interleave(stage, {
      gateway: () => connectionsPerSecond(stage, gateway),
      "openssl s_server": () => connectionsPerSecond(stage, openssl),
    });
    return {
      value: median(samples.gateway) / median(samples["openssl s_server"]),
      samples,
      notes: [
        `The ${CLIENTS} clients share the cores with the server that they connect to. openssl s_server serves one at a time.`,
      ],
    };
  },
};

async function gatewayDoor(stage: Stage): Promise<Door> {
  const { federationUrl } = await stage.gateway(smallest(stage));
  // The certificate is one that is let in: s_time would count a connection that ends right after the handshake, too.
  await gatewayContender(stage).answer({ verb: "list", rows: smallest(stage), teams: TEAMS });
  const { tls } = await stage.grant(smallest(stage), TEAMS);
  const write = (name: string, text: string): string => {
    const file = join(stage.folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  return {
    port: Number(new URL(federationUrl).port),
    caFile: write("gateway-ca.pem", tls.ca),
    certFile: write("gateway-client.pem", tls.cert),
    keyFile: write("gateway-client-key.pem", tls.key),
  };
}

async function opensslDoor(stage: Stage): Promise<Door> {
  const { caFile, serverCertFile, serverKeyFile, clients } = stage.certificates;
  const [port = 0] = await freePorts(1);
  const server = await startProcess(
    [
      ...([
        "openssl",
        "s_server",
        "-quiet",
        "-tls1_3",
        "-num_tickets",
        "0",
        "-Verify",
        "1",
        "-verify_return_error",
      ] as const),
      ...["-accept", `127.0.0.1:${port}`, "-cert", serverCertFile, "-key", serverKeyFile, "-CAfile", caFile],
    ],
    () => listensAt(port),
  );
  stage.closers.add(() => server.stop());
  const client = clients.get(certificateName(TEAMS));
  return { port, caFile, certFile: client?.certFile ?? "", keyFile: client?.keyFile ?? "" };
}

/** Each client connects for some whole seconds; what they all did in the time of the slowest. */
async function connectionsPerSecond(stage: Stage, { port, caFile, certFile, keyFile }: Door): Promise<number> {
  const seconds = Math.max(1, Math.ceil(stage.options.mostSeconds / 2));
  const started = performance.now();
  const counts = await Promise.all(
    Array.from({ length: CLIENTS }, async () => {
      const { stdout } = await promisify(execFile)(
        "openssl",
        [
          ...["s_time", "-new", "-tls1_3", "-verify", "2", "-time", String(seconds), "-connect", `127.0.0.1:${port}`],
          ...["-CAfile", caFile, "-cert", certFile, "-key", keyFile],
        ],
        { signal: stage.signal },
      );
      return Number(/^(\d+) connections in \d+ real seconds/m.exec(stdout)?.[1]);
    }),
  );
  const made = counts.reduce((sum, count) => sum + count, 0);
  if (!(made > 0)) {
    throw new Error(`openssl s_time made no connection at port ${port}`);
  }
  return made / ((performance.now() - started) / 1_000);
}
