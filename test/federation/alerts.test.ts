import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { gatewayPaths } from "../../src/config/paths.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { createLog } from "../../src/observability/log.ts";
import { jobDependencies } from "../../src/setup/job-dependencies.ts";
import { alertsDeliver } from "../../worker/tasks/alerts__deliver.ts";
import { startWorker } from "../../worker/run.ts";
import type { Worker } from "../../worker/run.ts";
import { enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { makeDue, peerRecord } from "../harness/renewal.ts";

const USER = "alice-at-home";
const SCOPE = { resources: ["tasks"], include_teams: ["platform"] };

let work: TestGateway;
let home: TestGateway;
const workers: Worker[] = [];

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
});
afterAll(async () => {
  await Promise.all(workers.map((worker) => worker.stop()));
  await Promise.all([work.stop(), home.stop()]);
});

const raise = (code: string, subject: string): Promise<unknown> =>
  home.pool.query("select federation.raise_alert('warning', $1, $2, 'as a test')", [code, subject]);
const addJob = (task: string): Promise<unknown> => home.pool.query("select graphile_worker.add_job($1)", [task]);
const mosaic = (...args: string[]): ReturnType<typeof runMosaic> =>
  runMosaic(["federation", ...args, "--dir", home.directory]);

/** The jobs of `home`, with a webhook. */
async function runJobs(webhookUrl?: string): Promise<Worker> {
  const log = createLog("silent");
  const dependencies = {
    ...jobDependencies({
      adminUrl: home.adminUrl,
      config: { ...home.gateway.config, alerts: { webhookUrl } },
      paths: gatewayPaths(home.directory),
      log,
    }),
    refreshCrl: home.gateway.refreshCrl,
  };
  const worker = await startWorker({ connectionString: home.adminUrl, dependencies, log });
  workers.push(worker);
  return worker;
}

async function stopJobs(worker: Worker): Promise<void> {
  await worker.stop();
  workers.splice(workers.indexOf(worker), 1);
}

describe("alerts", () => {
  test("are listed and resolved by the command, and counted in the metrics without saying whom they are about", async () => {
    await raise("TEST_ONE", "work.example of carol");
    const listed = await mosaic("alerts", "list", "--json");
    expect(JSON.parse(listed.stdout)).toEqual([
      expect.objectContaining({
        severity: "warning",
        code: "TEST_ONE",
        subject: "work.example of carol",
        resolved_at: null,
      }),
    ]);
    await home.restart();
    const metrics = async (): Promise<string> => (await fetch(`${home.gateway.homeUrl}/metrics`)).text();
    await vi.waitFor(async () => {
      expect(await metrics()).toMatch(/^mosaic_alerts_open\{code="TEST_ONE",severity="warning"\} 1$/m);
    });
    expect(await metrics()).not.toContain("carol");
    expect((await mosaic("alerts", "resolve", "TEST_ONE", "nobody")).code).toBe(66);
    expect((await mosaic("alerts", "resolve", "TEST_ONE", "work.example of carol")).code).toBe(0);
    expect(JSON.parse((await mosaic("alerts", "list", "--json")).stdout)).toEqual([]);
    expect(JSON.parse((await mosaic("alerts", "list", "--all", "--json")).stdout)).toHaveLength(1);
  });

  test("are posted to the webhook once, again where it did not take them, and hold up nothing", async () => {
    type Told = Record<"severity" | "code" | "subject" | "message" | "at", string>;
    const asked: { status: number; alert: Told }[] = [];
    const statuses = [500, 302];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const status = statuses.shift() ?? 204;
        asked.push({ status, alert: JSON.parse(Buffer.concat(chunks).toString()) as Told });
        response.writeHead(status, status === 302 ? { location: "/elsewhere" } : {}).end();
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    await home.pool.query("update federation.federation_alerts set delivered_at = now()");
    const hook = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    const worker = await runJobs(hook);
    await raise("TEST_TWO", "somebody");
    await raise("TEST_THREE", "somebody");
    // The worker runs the job each minute by itself as well, and so perhaps between two of these.
    for (const answers of [1, 2]) {
      await addJob("alerts__deliver");
      await vi.waitFor(
        () => {
          expect(asked.length).toBeGreaterThanOrEqual(answers);
        },
        { timeout: 15_000 },
      );
    }
    await addJob("alerts__deliver");
    await vi.waitFor(
      async () => {
        const { rows } = await home.pool.query("select from federation.undelivered_alerts()");
        expect(rows).toHaveLength(0);
      },
      { timeout: 15_000 },
    );
    await stopJobs(worker);
    const answered = asked.length;
    const again = await runJobs(hook);
    await addJob("alerts__deliver");
    await vi.waitFor(
      async () => {
        const { rows } = await home.pool.query(
          "select from graphile_worker.jobs where task_identifier = 'alerts__deliver'",
        );
        expect(rows).toHaveLength(0);
      },
      { timeout: 15_000 },
    );
    await stopJobs(again);
    server.close();

    expect(asked).toHaveLength(answered);
    expect(asked.slice(0, 2).map(({ status, alert }) => [status, alert.code])).toEqual([
      [500, "TEST_TWO"],
      [302, "TEST_TWO"],
    ]);
    expect(asked.slice(2).map(({ alert }) => alert)).toEqual(
      ["TEST_TWO", "TEST_THREE"].map((code) => ({
        severity: "warning",
        code,
        subject: "somebody",
        message: "as a test",
        at: expect.any(String) as unknown,
      })),
    );
  });
});

describe("a webhook", () => {
  /** A webhook that answers each alert by its code, and one run of the job. */
  async function hook(statusFor: (code: string) => number) {
    const told: string[] = [];
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { code } = JSON.parse(Buffer.concat(chunks).toString()) as { code: string };
        told.push(code);
        response.writeHead(statusFor(code)).end();
      });
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const deliver = alertsDeliver(`http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`);
    return {
      told,
      run: async (): Promise<string[]> => {
        const helpers = { query: home.pool.query.bind(home.pool), logger: { warn: () => undefined } };
        await deliver({}, helpers as unknown as Parameters<typeof deliver>[1]);
        return told.splice(0);
      },
      close: () => server.close(),
    };
  }
  beforeEach(async () => {
    await home.pool.query("update federation.federation_alerts set delivered_at = now() where delivered_at is null");
    for (const code of ["TEST_A", "TEST_B", "TEST_C"]) {
      await home.pool.query("select federation.resolve_alert($1, 'somebody')", [code]);
      await raise(code, "somebody");
    }
  });

  test.each([400, 404, 413, 422])(
    "that refuses an alert with %i is told the others, and that one again",
    async (status) => {
      const { run, close } = await hook((code) => (code === "TEST_A" ? status : 204));
      expect(await run()).toEqual(["TEST_A", "TEST_B", "TEST_C"]);
      expect(await run()).toEqual(["TEST_A"]);
      close();
    },
  );

  test.each([500, 503, 429, 408, 302])("that answers %i is left alone until the next run", async (status) => {
    const { run, close } = await hook(() => status);
    expect(await run()).toEqual(["TEST_A"]);
    close();
  });

  test("that is slow is told no more than what fits into a run", async () => {
    let now = Date.now();
    const clock = vi.spyOn(Date, "now").mockImplementation(() => now);
    const { run, close } = await hook(() => {
      now += 30_000;
      return 204;
    });
    try {
      expect(await run()).toEqual(["TEST_A", "TEST_B"]);
      expect(await run()).toEqual(["TEST_C"]);
    } finally {
      clock.mockRestore();
      close();
    }
  });
});

describe("the worker", () => {
  test("renews what is due, as its own job", async () => {
    const grant = await enrollGrant(work, home, "alice", USER, SCOPE);
    await makeDue(home, USER);
    await runJobs();
    await addJob("peers__renew_due");
    await vi.waitFor(
      async () => {
        const { certificate_serial, renewal_failures } = await peerRecord(home, USER);
        expect(certificate_serial).not.toBe(grant.enrolled.serial);
        expect(renewal_failures).toBe(0);
      },
      { timeout: 20_000 },
    );
  });
});

describe("the command", () => {
  test("renews now, and shows renewals that failed", async () => {
    const grant = await enrollGrant(work, home, "alice", USER, SCOPE);
    const renew = (user: string): ReturnType<typeof runMosaic> =>
      mosaic("peer", "renew", "work.localhost", "--user", user, "--json");
    const renewed = await renew(USER);
    expect(renewed.code, renewed.stderr).toBe(0);
    const { certificateSerial } = JSON.parse(renewed.stdout) as { certificateSerial: string };
    expect(certificateSerial).not.toBe(grant.enrolled.serial);
    expect((await peerRecord(home, USER)).certificate_serial).toBe(certificateSerial);
    expect((await renew("bob-at-home")).code).toBe(66);

    await work.pool.query("select federation.suspend_grant($1)", [grant.grantId]);
    expect((await renew(USER)).code).toBe(77);
    const listed = JSON.parse((await mosaic("peer", "list", "--json")).stdout) as object[];
    expect(listed).toEqual([expect.objectContaining({ state: "degraded", renewal_failure_code: "GRANT_SUSPENDED" })]);
    const status = JSON.parse((await mosaic("status", "--json")).stdout) as { peers: object[]; alerts: object[] };
    expect(status.peers).toEqual([
      expect.objectContaining({ renewalFailures: 1, renewalFailureCode: "GRANT_SUSPENDED" }),
    ]);
    expect(status.alerts).toContainEqual(
      expect.objectContaining({ code: "RENEWAL_FAILED", subject: `work.localhost of ${USER}` }),
    );
    const doctor = await runMosaic(["doctor", "--dir", home.directory, "--json"]);
    const { findings } = JSON.parse(doctor.stdout) as { findings: { name: string; status: string }[] };
    expect(findings).toContainEqual(
      expect.objectContaining({ name: `renewal for work.localhost of ${USER}`, status: "yellow" }),
    );
    await work.pool.query("select federation.resume_grant($1)", [grant.grantId]);
    expect((await renew(USER)).code).toBe(0);
    expect(JSON.parse((await mosaic("alerts", "list", "--json")).stdout)).not.toContainEqual(
      expect.objectContaining({ code: "RENEWAL_FAILED" }),
    );
  }, 180_000);
});
