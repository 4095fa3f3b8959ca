import { join } from "node:path";
import { startGatewayProcess } from "../../src/demo/gateway-process.ts";
import { initGateway } from "../../src/setup/init.ts";
import { interleave, median } from "../measure.ts";
import type { Measure } from "../measure.ts";
import { benchConfig } from "../world/gateway.ts";

/** How soon a gateway serves. */
export const START: Measure = {
  name: "serve-to-ready",
  what: "from `mosaic serve` to ready, tier local, with the database that was there",
  unit: "s",
  target: { atMost: 2 },
  make: async (stage) => {
    const directory = join(stage.folder, "local");
    const config = await benchConfig("local.localhost", { tier: "local" });
    await initGateway({ directory, config, sample: true, log: () => undefined });
    const samples = await interleave(stage, {
      gateway: async () => {
        const started = performance.now();
        const gateway = await startGatewayProcess(stage.mosaicBuilt, directory);
        const seconds = (performance.now() - started) / 1_000;
        await gateway.stop();
        return seconds;
      },
    });
    return {
      value: median(samples.gateway),
      samples,
      notes: ["Whether it is ready is looked at every 10 ms."],
    };
  },
};
