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
  "concurrency",
  "doctor",
  "embeddings",
  "enrollment",
  "grant-life-cli",
  "limits",
  "renew",
  "renewal",
  "revocation",
];
// Each kind of authority has tests of its own in these.
const OF_EACH_AUTHORITY = ["ca-rotation", "forged", "retired-handshake", "sealed-root"];

// Thousands of cases are asked of the newest PostgreSQL alone: the embedded one is the same, slower.
const OF_MANY_CASES = ["test/policies/search-property.test.ts", "test/policies/explain-property.test.ts"];

// So is what is checked in.
const OF_THE_NEWEST = ["test/integration/drift.test.ts", "test/integration/reference.test.ts", ...OF_MANY_CASES];

// What is measured has the machine for itself.
const TIMING = "test/policies/search-timing.test.ts";

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
      database("pglite", ["test/policies/**/*.test.ts", "test/integration/**/*.test.ts"], [TIMING, ...OF_MANY_CASES]),
      database(
        "postgres",
        ["test/policies/**/*.test.ts", "test/integration/**/*.test.ts"],
        process.env["MOSAIC_TEST_POSTGRES"] === undefined ? [TIMING] : [TIMING, ...OF_THE_NEWEST],
      ),
      database("timing", [TIMING]),
      database("federation-pglite", ["test/federation/**/*.test.ts"], federation(OF_THE_SERVICES)),
      database("federation-services-pglite", federation(OF_THE_SERVICES)),
      database("federation-postgres", federation(OF_THE_DATABASE)),
      database("federation-step-ca", federation([...OF_THE_SERVICES, ...OF_EACH_AUTHORITY])),
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
