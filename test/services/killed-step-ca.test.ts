import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";
import { addPeer } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { openSide } from "./killable.ts";
import type { Side } from "./killable.ts";
import { killedAfter, killing, moments, SOON, USER } from "./killed.ts";
import type { Killing } from "./killed.ts";
import { onDatabase } from "./migrate-harness.ts";
import { openStepCa } from "./own-step-ca.ts";
import type { OwnStepCa } from "./own-step-ca.ts";

const { postgres, valkey } = readDescription(layoutOf(process.env).description) ?? {};
if (postgres === undefined || valkey === undefined) {
  throw new Error("the services do not run; start them with: npm run services:up");
}

const TIMEOUT_MS = 240_000;
const DATABASES = ["work", "home"].map((name) => `killed_${name}_${randomBytes(6).toString("hex")}`);
const urlOf = (database: string): string => Object.assign(new URL(postgres.url), { pathname: `/${database}` }).href;

let folder: string;
let stepCa: OwnStepCa;
const sides: Side[] = [];
let work: Side;
let home: Side;
let of: Killing;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-killed-"));
  stepCa = await openStepCa();
  const [workDatabase = "", homeDatabase = ""] = DATABASES;
  for (const database of DATABASES) {
    await onDatabase(postgres.url, (client) => client.query(`create database ${database}`));
  }
  const { url, provisioner } = stepCa;
  work = await openSide({
    folder,
    name: "work",
    databaseUrl: urlOf(workDatabase),
    world: WORK,
    config: { stepCa: { url, rootFile: "step-ca-root.pem", provisioner } },
    services: { valkeyUrl: valkey.url, stepCaRoot: stepCa.root, stepCaKey: stepCa.key },
  });
  sides.push(work);
  home = await openSide({ folder, name: "home", databaseUrl: urlOf(homeDatabase), world: HOME });
  sides.push(home);
  of = killing({ work, home, crlIssuers: () => Promise.resolve([stepCa.crlIssuer]) });
}, TIMEOUT_MS);
afterAll(async () => {
  await Promise.all(sides.map((side) => side.stop()));
  await stepCa.remove();
  for (const database of DATABASES) {
    await onDatabase(postgres.url, (client) => client.query(`drop database if exists ${database} with (force)`));
  }
  rmSync(folder, { recursive: true, force: true });
}, TIMEOUT_MS);

describe("a step-ca that is away", () => {
  const seen = async (): Promise<[state: string | undefined, alerts: number]> => {
    const services = await of.sql<{ name: string; state: string }>(
      work,
      "select s ->> 'name' as name, s ->> 'state' as state from jsonb_array_elements(federation.shown_services()) s",
    );
    const open = await of.sql(
      work,
      "select from federation.federation_alerts where code = 'STEP_CA_AWAY' and resolved_at is null",
    );
    return [services.find(({ name }) => name === "authority")?.state, open.length];
  };

  test(
    "is seen on the overview and among the alerts, although nobody asks for a certificate, and no more once it is back",
    async () => {
      await expect.poll(seen, SOON).toEqual(["ok", 0]);
      await stepCa.kill();
      await expect.poll(seen, SOON).toEqual(["degraded", 1]);
      await stepCa.start();
      await expect.poll(seen, SOON).toEqual(["ok", 0]);
    },
    TIMEOUT_MS,
  );
});

const victims = { "step-ca": () => stepCa, "the gateway": () => work.gateway };

describe.each(["step-ca", "the gateway"] as const)("acceptance 9: SIGKILL of %s", (name) => {
  test(
    "during enrollment: the same command again completes it",
    async () => {
      for (const ms of moments(120, 3)) {
        const { grantId, url } = await of.newGrant();
        const enroll = (): Promise<unknown> => addPeer(home.directory, USER, url);
        if (!(await killedAfter(ms, victims[name](), enroll))) {
          await vi.waitFor(enroll, SOON);
        }
        await of.expectLegal();
        await of.expectOneCertificate(grantId);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "during renewal: what is stored is good, and the job completes it",
    async () => {
      const grantId = await of.enrolled();
      for (const ms of moments(250, 3)) {
        await killedAfter(ms, victims[name](), () => of.makeDue(grantId));
        await of.expectLegal();
        await of.expectOneCertificate(grantId);
      }
    },
    TIMEOUT_MS,
  );

  test(
    "during a revocation, which needs neither: it is in step-ca's list as soon as there is one",
    async () => {
      for (const ms of moments(120, 3)) {
        const grantId = await of.enrolled();
        const held = await of.held(grantId);
        const revoke = (): Promise<unknown> => of.sql(work, "select federation.revoke_grant($1, 'killed')", [grantId]);
        expect(await killedAfter(ms, victims[name](), revoke)).toBe(true);
        expect(held === undefined ? "none" : await of.says(held)).not.toBe("OK");
        await of.expectLegal();
      }
    },
    TIMEOUT_MS,
  );
});
