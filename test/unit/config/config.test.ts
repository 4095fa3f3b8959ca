import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { configVariables } from "../../../src/config/environment.ts";
import { parseConfig } from "../../../src/config/load.ts";
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
