import { defineConfig } from "vitest/config";

// Neither the certificate authority nor Valkey has a part in these: the other tiers show them.
const OF_EVERY_TIER = [
  "audit-cli",
  "bad-input",
  "blended",
  "cache",
  "deadline",
  "explain",
  "home",
  "logs",
  "offline",
  "pages-limits",
  "pages-oidc",
  "pages-oidc-claims",
  "pages-sessions",
  "search",
  "without-federation",
].map((name) => `test/federation/${name}.test.ts`);

const database = (name: string, include: string[], exclude: string[] = []) => ({
  test: {
    name,
    include,
    exclude,
    globalSetup: ["test/harness/global-setup.ts"],
    testTimeout: 60_000,
    hookTimeout: 180_000,
  },
});

export default defineConfig({
  test: {
    pool: "forks",
    maxWorkers: 2,
    reporters: ["default"],
    projects: [
      { test: { name: "unit", include: ["test/unit/**/*.test.ts"], testTimeout: 60_000 } },
      // How long a search takes is measured where it takes milliseconds: the embedded database plans as PostgreSQL does.
      database(
        "pglite",
        ["test/policies/**/*.test.ts", "test/integration/**/*.test.ts"],
        ["test/policies/search-timing.test.ts"],
      ),
      database("postgres", ["test/policies/**/*.test.ts", "test/integration/**/*.test.ts"]),
      database("federation-pglite", ["test/federation/**/*.test.ts"]),
      database("federation-postgres", ["test/federation/**/*.test.ts"]),
      database("federation-step-ca", ["test/federation/**/*.test.ts"], OF_EVERY_TIER),
      database("acceptance-pglite", ["test/acceptance/**/*.test.ts"]),
      database("acceptance-postgres", ["test/acceptance/**/*.test.ts"]),
      database("acceptance-step-ca", ["test/acceptance/**/*.test.ts"]),
      {
        test: { name: "services", include: ["test/services/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 180_000 },
      },
      database("pages", ["test/web/**/*.test.ts"]),
      { test: { name: "load", include: ["test/load/**/*.test.ts"], testTimeout: 60_000, hookTimeout: 300_000 } },
    ],
  },
});
