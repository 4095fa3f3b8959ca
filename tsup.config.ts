import { defineConfig } from "tsup";

export default defineConfig({
  entry: {
    main: "cli/main.ts",
    gateway: "src/gateway.ts",
    vector: "src/database/vector.ts",
    // A file of its own: it is started by its path, beside the file that starts it.
    "embedded.worker": "src/database/embedded.worker.ts",
    // A file of its own: within a bundle, imports of packages run before any statement, so this would come too late for PostGraphile.
    environment: "src/graphile/environment.ts",
  },
  format: ["esm"],
  target: "node22",
  platform: "node",
  dts: { entry: { gateway: "src/gateway.ts", vector: "src/database/vector.ts" } },
  sourcemap: true,
  splitting: true,
  clean: true,
});
