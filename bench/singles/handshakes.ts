import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePorts, startGatewayProcess } from "../../src/demo/gateway-process.ts";
import { MOSAIC } from "../../test/harness/mosaic.ts";
import { median } from "../measure.ts";
import { waitUntilListening } from "../peers/nginx.ts";
import type { ServerTls } from "../peers/tls.ts";
import type { Work } from "../setting/work.ts";

const SECONDS = 2;

/**
 * New connections a second, each with a full mutual TLS 1.3 handshake: of a gateway and of `openssl s_server`, by `openssl s_time`, one after the
 * other, in rounds that alternate.
 */
export async function measureHandshakes(
  work: Work,
  tls: ServerTls,
  rounds: number,
): Promise<{ gateway: number; openssl: number }> {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-handshakes-"));
  const put = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const { certificate, key } = work.grants[1];
  const files = {
    ca: put("ca.pem", tls.rootPem + work.rootPem),
    clients: put("clients.pem", work.rootPem),
    clientCertificate: put("client.pem", certificate),
    clientKey: put("client.key", key),
    certificate: put("server.pem", tls.certificate),
    key: put("server.key", tls.key),
  };
  const gateway = await startGatewayProcess(MOSAIC, work.directory);
  const [port = 0] = await freePorts(1);
  const openssl = spawn(
    "openssl",
    [
      ...["s_server", "-accept", `127.0.0.1:${port}`, "-quiet", "-www", "-tls1_3", "-num_tickets", "0", "-Verify", "1"],
      ...["-cert", files.certificate, "-key", files.key, "-CAfile", files.clients, "-verify_return_error"],
    ],
    { stdio: "ignore" },
  );
  const exited = once(openssl, "exit");
  try {
    await waitUntilListening(openssl, port);
    const connect = async (to: string): Promise<number> => {
      const { stdout } = await promisify(execFile)("openssl", [
        ...["s_time", "-connect", to, "-new", "-time", String(SECONDS), "-tls1_3", "-CAfile", files.ca],
        ...["-cert", files.clientCertificate, "-key", files.clientKey],
      ]);
      const [, connections, seconds] = /(\d+) connections in (\d+) real seconds/.exec(stdout) ?? [];
      if (connections === undefined || Number(connections) === 0) {
        throw new Error(`openssl s_time measured nothing: ${stdout}`);
      }
      return Number(connections) / Number(seconds);
    };
    const measured: { gateway: number[]; openssl: number[] } = { gateway: [], openssl: [] };
    for (let n = 0; n < rounds; n += 1) {
      measured.gateway.push(await connect(new URL(gateway.federationUrl).host));
      measured.openssl.push(await connect(`127.0.0.1:${port}`));
    }
    return { gateway: median(measured.gateway), openssl: median(measured.openssl) };
  } finally {
    openssl.kill("SIGTERM");
    await exited;
    await gateway.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
