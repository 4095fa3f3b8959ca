import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { addPeer } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { ERROR_TABLE } from "../../src/errors.ts";
import { MOSAIC, runMosaic } from "../harness/mosaic.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import type { PostgresServer } from "../harness/postgres-server.ts";
import { openSide } from "./killable.ts";
import type { Killable, Side } from "./killable.ts";
import { killedAfter, killing, moments, SOON, USER } from "./killed.ts";
import type { Killing } from "./killed.ts";
import { onDatabase } from "./migrate-harness.ts";

// Acceptance 9, but for step-ca (killed-step-ca.test.ts): gateways and workers that stand on a PostgreSQL of their own are killed while something
// is being done, at moments that are spread over what it takes.

const TIMEOUT_MS = 240_000;

let folder: string;
let postgres: PostgresServer;
let work: Side;
let home: Side;
let of: Killing;
const told: string[] = [];
/** Whether the webhook answers. */
let isAnswering = true;
const webhook = createServer((request, response) => {
  let text = "";
  request.on("data", (chunk: Buffer) => (text += chunk.toString()));
  request.on("end", () => {
    told.push((JSON.parse(text) as { subject: string }).subject);
    if (isAnswering) {
      response.writeHead(204).end();
    }
  });
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-killed-"));
  postgres = await startPostgresServer({ survivesKill: true });
  await new Promise<void>((resolve) => webhook.listen(0, "127.0.0.1", resolve));
  const webhookUrl = `http://127.0.0.1:${(webhook.address() as AddressInfo).port}`;
  const open = async (name: string, world: typeof WORK): Promise<Side> => {
    await onDatabase(postgres.url("postgres"), (client) => client.query(`create database ${name}`));
    return openSide({ folder, name, databaseUrl: postgres.url(name), world, config: { alerts: { webhookUrl } } });
  };
  work = await open("work", WORK);
  home = await open("home", HOME);
  of = killing({
    work,
    home,
    crlIssuers: async () => {
      const rows = await of.sql<{ certificate_der: Buffer }>(
        work,
        "select certificate_der from federation.federation_authorities",
      );
      return rows.map(({ certificate_der }) => certificate_der);
    },
  });
}, TIMEOUT_MS);
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
  await postgres.stop();
  webhook.closeAllConnections();
  webhook.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A command as somebody who is killed. It is not started again: its work is. */
async function commandKilledWhen(args: readonly string[], hasComeSoFar: () => Promise<boolean>): Promise<void> {
  const child = spawn(MOSAIC[0], [MOSAIC[1], ...args], { stdio: "ignore" });
  const exited = once(child, "exit");
  while (child.exitCode === null && !(await hasComeSoFar())) {
    await sleep(1);
  }
  child.kill("SIGKILL");
  await exited;
}

const victims: Record<"gateway" | "worker" | "postgres", () => Killable> = {
  gateway: () => work.gateway,
  worker: () => home.worker,
  postgres: () => postgres,
};

describe("acceptance 9: SIGKILL", () => {
  test.each(["gateway", "postgres"] as const)(
    "of the %s during enrollment: the same command again completes it",
    async (name) => {
      for (const ms of moments(80, 4)) {
        const { grantId, url } = await of.newGrant();
        const enroll = (): Promise<unknown> => addPeer(home.directory, USER, url);
        // It may have been stored, and the answer lost.
        if (!(await killedAfter(ms, victims[name](), enroll)) && (await of.held(grantId)) === undefined) {
          await enroll();
        }
        await of.expectLegal();
        await of.expectOneCertificate(grantId);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "of `peer add` itself, before it is answered and after: the same command again completes it",
    async () => {
      for (const pause of [0, 5, 20]) {
        const { grantId, url } = await of.newGrant();
        const args = ["federation", "peer", "add", url, "--user", USER, "--dir", home.directory];
        await commandKilledWhen(args, async () => {
          const [token] = await of.sql(
            work,
            "select from federation.federation_enrollment_tokens where grant_id = $1 and used_at is not null",
            [grantId],
          );
          await sleep(token === undefined ? 0 : pause);
          return token !== undefined;
        });
        // Where it was killed after the peer had been stored, it is told that this is done.
        const expected = (await of.held(grantId)) === undefined ? 0 : ERROR_TABLE.TOKEN_SPENT.exit;
        expect((await runMosaic(args)).code).toBe(expected);
        await of.expectLegal();
        await of.expectOneCertificate(grantId);
      }
    },
    TIMEOUT_MS,
  );

  test.each(["gateway", "worker", "postgres"] as const)(
    "of the %s during renewal: what is stored is good, and the job completes it",
    async (name) => {
      const grantId = await of.enrolled();
      for (const ms of moments(200, 5)) {
        await killedAfter(ms, victims[name](), () => of.makeDue(grantId));
        await of.expectLegal();
        await of.expectOneCertificate(grantId);
      }
    },
    TIMEOUT_MS,
  );

  test.each(["gateway", "postgres"] as const)(
    "of the %s during a revocation: what was answered stands, and is in the list from the first answer on",
    async (name) => {
      for (const ms of moments(60, 4)) {
        const grantId = await of.enrolled();
        const revoke = (): Promise<unknown> => of.sql(work, "select federation.revoke_grant($1, 'killed')", [grantId]);
        const isRevoked = async (): Promise<boolean> =>
          (
            await of.sql(work, "select from federation.federation_grants where id = $1 and status = 'revoked'", [
              grantId,
            ])
          ).length === 1;
        if (await killedAfter(ms, victims[name](), revoke)) {
          expect(await isRevoked()).toBe(true);
        } else {
          await revoke();
        }
        await of.expectLegal();
        expect(await isRevoked()).toBe(true);
      }
    },
    TIMEOUT_MS,
  );

  test.each(["worker", "postgres"] as const)(
    "of the %s while the list is made anew: the next is newer",
    async (name) => {
      const victim = name === "worker" ? work.worker : postgres;
      for (const ms of moments(60, 3)) {
        await killedAfter(ms, victim, () => of.addJob(work, "crl__refresh", "crl__refresh"));
        await of.expectLegal();
        const number = async (): Promise<bigint> => {
          const [row] = await of.sql<{ number: string }>(
            work,
            "select max(number) as number from federation.federation_crls",
          );
          return BigInt(row?.number ?? 0);
        };
        const before = await number();
        await of.addJob(work, "crl__refresh", "crl__refresh");
        await vi.waitFor(async () => {
          expect((await number()) > before).toBe(true);
        }, SOON);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "of the worker while an alert is delivered: it is delivered by the next that comes",
    async () => {
      isAnswering = false;
      await of.sql(work, "select federation.raise_alert('warning', 'TEST', 'a worker that is killed', 'as a test')");
      await of.addJob(work, "alerts__deliver", "alerts__deliver");
      await vi.waitFor(() => {
        expect(told).toContain("a worker that is killed");
      }, SOON);
      await work.worker.kill();
      isAnswering = true;
      await work.worker.start();
      // The crontab adds a job each minute.
      await vi.waitFor(
        async () => {
          expect(await of.sql(work, "select from federation.undelivered_alerts()")).toEqual([]);
        },
        { timeout: 75_000, interval: 500 },
      );
      expect(told.filter((subject) => subject === "a worker that is killed").length).toBeGreaterThan(1);
      await of.sql(work, "select federation.resolve_alert('TEST', 'a worker that is killed')");
    },
    TIMEOUT_MS,
  );

  test(
    "of the command, the gateway or Postgres during a rotation of the authority: there is one new root or none, and the command makes it",
    async () => {
      const grantId = await of.enrolled();
      const authorities = async (): Promise<number> =>
        (await of.sql(work, "select from federation.federation_authorities")).length;
      const rotate = ["ca", "rotate", "--dir", work.directory];
      for (const victim of [postgres, work.gateway]) {
        for (const ms of moments(1_200, 2)) {
          await killedAfter(ms, victim, () => commandKilledWhen(rotate, () => sleep(ms / 2, true)));
          expect([1, 2]).toContain(await authorities());
          await of.expectLegal();
        }
      }
      // Where the command was killed after its commit, it is told that this is done.
      const expected = (await authorities()) === 1 ? 0 : ERROR_TABLE.CONFLICT.exit;
      expect((await runMosaic(rotate)).code).toBe(expected);
      expect(await authorities()).toBe(2);
      await of.expectLegal();
      await of.expectOneCertificate(grantId);
    },
    TIMEOUT_MS,
  );

  test("leaves no job behind that nobody takes up, and no alert", async () => {
    for (const side of [work, home]) {
      for (const task of [
        "alerts__deliver",
        "crl__refresh",
        "grants__expire",
        "peers__renew_due",
        "certificates__supersede",
      ]) {
        await of.addJob(side, task, task);
      }
      await vi.waitFor(async () => {
        const waiting = await of.sql(
          side,
          "select task_identifier, last_error, locked_at from graphile_worker.jobs where attempts < max_attempts and run_at <= now()",
        );
        expect(waiting).toEqual([]);
      }, SOON);
      expect(await of.sql(side, "select code, subject from federation.list_alerts()")).toEqual([]);
    }
  });
});
