import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { configVariables } from "../../../src/config/environment.ts";
import { parseConfig } from "../../../src/config/load.ts";
import { packageRoot } from "../../../src/config/package-root.ts";
import { FederationError } from "../../../src/errors.ts";

const SMALLEST = { version: 2, tier: "local", host: "work.example" };

function faults(value: unknown, environment: NodeJS.ProcessEnv = {}): string {
  try {
    parseConfig(value, environment);
  } catch (error) {
    expect(error).toMatchObject({ code: "CONFIG_INVALID" });
    return error instanceof Error ? error.message : "";
  }
  throw new Error("the configuration was taken");
}

describe("the published JSON Schema", () => {
  const text = readFileSync(join(packageRoot(), "schema/mosaic.config.schema.json"), "utf8");
  const schema = z.fromJSONSchema(JSON.parse(text) as Parameters<typeof z.fromJSONSchema>[0]);
  const stepCa = { url: "https://127.0.0.1:9000", rootFile: "root.pem", provisioner: "mosaic" };

  test.each([
    ["the smallest", SMALLEST],
    ["one of tier federated", { ...SMALLEST, tier: "federated", stepCa }],
    ["one that names the schema", { ...SMALLEST, $schema: "./schema.json" }],
  ])("takes what the gateway takes: %s", (_, value) => {
    expect(schema.safeParse(value).success).toBe(true);
    expect(parseConfig(value).version).toBe(2);
  });

  test.each([
    ["an unknown key", { ...SMALLEST, tierr: "local" }],
    ["an unknown tier", { ...SMALLEST, tier: "cloud" }],
    ["a port that is text", { ...SMALLEST, listeners: { home: { port: "8445" } } }],
    ["no host", { version: 2, tier: "local" }],
    ["step-ca without a root", { ...SMALLEST, stepCa: { ...stepCa, rootFile: undefined } }],
  ])("refuses what the gateway refuses: %s", (_, value) => {
    const given: unknown = JSON.parse(JSON.stringify(value));
    expect(schema.safeParse(given).success).toBe(false);
    faults(given);
  });
});

describe("a configuration", () => {
  test("of version 1 is read as the same of version 2", () => {
    expect(parseConfig({ ...SMALLEST, version: 1 })).toEqual(parseConfig(SMALLEST));
  });

  test("of a version that is not known is refused", () => {
    expect(faults({ ...SMALLEST, version: 3 })).toContain("version");
  });

  test("with an unknown key names it", () => {
    expect(faults({ ...SMALLEST, limits: { requestPerMinute: 5 } })).toMatch(/limits.*requestPerMinute/);
  });

  test("with a wrong type names the path, the value and what was expected", () => {
    expect(faults({ ...SMALLEST, limits: { requestsPerMinute: "many" } })).toMatch(
      /limits\.requestsPerMinute: .*number.*found "many"/,
    );
  });

  test("with several faults names each of them", () => {
    const text = faults({ version: 2, tier: "cloud", host: "UPPER", certificateLifetimeDays: 0 });
    for (const path of ["tier", "host", "certificateLifetimeDays"]) {
      expect(text).toContain(path);
    }
  });

  test("whatever it holds is taken or refused by its code, and never fails otherwise", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        try {
          parseConfig(value);
        } catch (error) {
          expect(error).toBeInstanceOf(FederationError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("the environment", () => {
  test("overrides what the file says, by the names of the settings", () => {
    const config = parseConfig(
      { ...SMALLEST, limits: { requestsPerMinute: 5 } },
      { MOSAIC_LIMITS_REQUESTS_PER_MINUTE: "7", MOSAIC_LISTENERS_HOME_PORT: "9000", MOSAIC_HOST: "other.example" },
    );
    expect(config).toMatchObject({
      host: "other.example",
      limits: { requestsPerMinute: 7 },
      listeners: { home: { port: 9000 } },
    });
  });

  test("with a fault is named", () => {
    expect(faults(SMALLEST, { MOSAIC_LISTENERS_HOME_PORT: "many" })).toContain("from MOSAIC_LISTENERS_HOME_PORT");
  });

  test("has one variable for each setting, and none for two", () => {
    const names = configVariables().map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("MOSAIC_STEP_CA_URL");
  });
});
