import { describe, expect, test } from "vitest";
import { runMosaic } from "../../harness/mosaic.ts";

describe("mosaic --json", () => {
  test.each([
    [["federation", "grant", "show"], "'id'"],
    [["federation", "grant", "show", "x", "--nothing"], "'--nothing'"],
    [["federation", "grant", "limit", "x", "--burst", "many"], "whole number"],
    [["federation", "grant", "create"], "'--user <id>'"],
    [["nonsense"], "'nonsense'"],
  ])("is answered in JSON where the arguments are wrong: %j", async (args, said) => {
    const { code, stdout, stderr } = await runMosaic([...args, "--json"]);
    expect({ code, stdout }).toEqual({ code: 64, stdout: "" });
    const { error } = JSON.parse(stderr) as { error: { code: string; message: string } };
    expect(error.code).toBe("USAGE");
    expect(error.message).toContain(said);
  });

  test("leaves help and version as they are", async () => {
    expect((await runMosaic(["federation", "grant", "--help", "--json"])).stdout).toContain("Commands:");
    expect((await runMosaic(["--version", "--json"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});
