import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import type { Layout } from "../../scripts/services/layout.ts";
import { runningPid, startProcess, stopProcess, waitUntil } from "../../scripts/services/processes.ts";

describe.runIf(process.platform === "linux")("a service's process", () => {
  let layout: Layout;

  beforeEach(() => {
    layout = layoutOf({ MOSAIC_SERVICES_DIR: mkdtempSync(join(tmpdir(), "mosaic-services-")) });
    mkdirSync(layout.run);
    mkdirSync(layout.log);
  });
  afterEach(() => {
    rmSync(layout.folder, { recursive: true });
  });

  const start = (...args: string[]): { pid: number; logFile: string } =>
    startProcess(layout, "valkey", {
      program: process.execPath,
      command: [process.execPath, ...args],
      cwd: layout.folder,
    });
  const startSleeping = async (): Promise<number> => {
    const { pid } = start("-e", "setTimeout(() => {}, 60_000)");
    await expect.poll(() => runningPid(layout, "valkey")).toBe(pid);
    return pid;
  };

  it("is known until it is ended", async () => {
    const pid = await startSleeping();
    expect(await stopProcess(layout, "valkey", "SIGTERM")).toBe(pid);
    expect(runningPid(layout, "valkey")).toBeUndefined();
    expect(await stopProcess(layout, "valkey", "SIGTERM")).toBeUndefined();
  });

  it.each([
    ["started at another time", { startedAt: "1" }],
    ["is another program", { program: "/usr/bin/other" }],
  ])("is not ended where the process of its number %s", async (_, difference) => {
    const pid = await startSleeping();
    const file = join(layout.run, "valkey.json");
    const recorded = readFileSync(file, "utf8");
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(recorded) as object), ...difference }));
    expect(await stopProcess(layout, "valkey", "SIGTERM")).toBeUndefined();
    await sleep(200);
    writeFileSync(file, recorded);
    expect(runningPid(layout, "valkey")).toBe(pid);
    await stopProcess(layout, "valkey", "SIGTERM");
  });

  it("that ends at once is a fault that shows the end of its log", async () => {
    const { logFile } = start("-e", "console.error('no port'); process.exit(3)");
    const waiting = waitUntil(() => Promise.resolve(false), {
      alive: () => runningPid(layout, "valkey") !== undefined,
      logFile,
      seconds: 20,
    });
    await expect(waiting).rejects.toThrow(/it ended: .*no port/);
  });

  it("is given nothing of this process's environment", async () => {
    const { logFile } = start("-p", "Object.keys(process.env).sort().join()");
    await expect.poll(() => readFileSync(logFile, "utf8")).toBe("HOME,LANG,PATH\n");
  });
});
