import { defineConfig } from "tsup";

// The worker is a file of its own: it is started by its path, beside the file that starts it.
export default defineConfig({
  entry: { main: "cli/main.ts", gateway: "src/gateway.ts", "embedded.worker": "src/database/embedded.worker.ts" },
  format: ["esm"],
  target: "node22",
  platform: "node",
  dts: { entry: { gateway: "src/gateway.ts" } },
  sourcemap: true,
  splitting: true,
  clean: true,
});
