import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

export default defineConfig({
  root: import.meta.dirname,
  base: "/pages/",
  plugins: [react()],
  build: {
    outDir: "../dist/pages",
    emptyOutDir: true,
    manifest: true,
    // A picture or a style within a script or a style would be a data: address, which the policy of content does not take.
    assetsInlineLimit: 0,
    // The check that old browsers need is an inline script.
    modulePreload: { polyfill: false },
  },
});
