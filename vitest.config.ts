import { defineConfig } from "vitest/config";

const federation = (names: readonly string[]): string[] => names.map((name) => `test/federation/${name}.test.ts`);

// Every file of test/federation runs in tier local; once more on PostgreSQL runs what the database has a part in.
const OF_THE_DATABASE = [
  "alerts",
  "audit-cli",
  "blended",
  "boundary",
  "ca-rotation-several",
  "deadline",
  "embeddings",
  "explain",
  "faults",
  "home",
  "metrics",
  "pages",
  "pages-limits",
  "search",
  "without-federation",
];

// And in tier federated, what the certificate authority or Valkey has a part in.
const OF_THE_SERVICES = [
  "ca-rotation",
  "concurrency",
  "doctor",
  "embeddings",
  "enrollment",
  "forged",
  "grant-life-cli",
  "limits",
  "renew",
  "renewal",
  "retired-handshake",
  "revocation",
  "sealed-root",
];

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
      // The embedded database is PostgreSQL, slower: what takes thousands of cases, or measures, is asked of the other one.
      database(
        "pglite",
        ["test/policies/**/*.test.ts", "test/integration/**/*.test.ts"],
        ["search-timing", "search-property", "explain-property"].map((name) => `test/policies/${name}.test.ts`),
      ),
      database("postgres", ["test/policies/**/*.test.ts", "test/integration/**/*.test.ts"]),
      database("federation-pglite", ["test/federation/**/*.test.ts"]),
      database("federation-postgres", federation(OF_THE_DATABASE)),
      database("federation-step-ca", federation(OF_THE_SERVICES)),
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
