import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts, startGatewayProcess } from "../../src/demo/gateway-process.ts";
import { initGateway } from "../../src/setup/init.ts";
import { MOSAIC } from "../../test/harness/mosaic.ts";
import { median } from "../measure.ts";

/** Seconds from the start of `mosaic serve` until it serves: tier local, on a database that is there. */
export async function measureReady(rounds: number): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), "mosaic-ready-"));
  try {
    const [federation = 0, open = 0, home = 0] = await freePorts(3);
    const listeners = { federation: { port: federation }, public: { port: open }, home: { port: home } };
    await initGateway({
      directory,
      config: { version: 2, tier: "local", host: "work.localhost", listeners },
      sample: true,
      log: () => undefined,
    });
    const measured: number[] = [];
    for (let n = 0; n < rounds; n += 1) {
      const started = performance.now();
      const gateway = await startGatewayProcess(MOSAIC, directory);
      measured.push((performance.now() - started) / 1000);
      await gateway.stop();
    }
    return median(measured);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
