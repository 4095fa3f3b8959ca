import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { request, Agent } from "undici";
import { credentialsOf } from "../../src/demo/actors.ts";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { startGateway } from "../../src/gateway.ts";
import type { Gateway } from "../../src/gateway.ts";
import { createLog } from "../../src/observability/log.ts";
import { derToPem, fingerprintOf, pemBlocks, pemToDer } from "../../src/pki/der.ts";
import { enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { MOSAIC, runMosaic } from "../harness/mosaic.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };
/** The machine may be busy with much else. */
const SOON = { timeout: 20_000 };
const template = inject("template");
const isPostgres = template.kind === "postgres" && template.services === undefined;

let work: TestGateway;
let folder: string;

/** Another gateway of the same database: its own directory and ports, the same secrets. */
async function startBeside(first: string): Promise<Gateway> {
  folder = mkdtempSync(join(tmpdir(), "mosaic-beside-"));
  const directory = join(folder, "gateway");
  mkdirSync(directory, { mode: 0o700 });
  const config = JSON.parse(readFileSync(join(first, "mosaic.config.json"), "utf8")) as Record<string, unknown>;
  const [federation, open, local] = await freePorts(3);
  writeFileSync(
    join(directory, "mosaic.config.json"),
    JSON.stringify({
      ...config,
      listeners: { federation: { port: federation }, public: { port: open }, home: { port: local } },
      federationUrl: `https://127.0.0.1:${federation}`,
      publicUrl: `https://127.0.0.1:${open}`,
    }),
  );
  symlinkSync(join(first, "secrets"), join(directory, "secrets"));
  return startGateway(directory, createLog("silent"));
}

/** The roots of a gateway's database, newest first. */
const rootsOf = async (gateway: TestGateway): Promise<string[]> =>
  (await gateway.pool.query<{ fingerprint: string }>("select fingerprint from federation.authority_status()")).rows.map(
    ({ fingerprint }) => fingerprint,
  );
const rotate = (gateway: TestGateway): ReturnType<typeof runMosaic> =>
  runMosaic(["ca", "rotate", "--json", "--dir", gateway.directory]);

// The embedded database has one gateway and one session for everybody; step-ca's root is not rotated.
describe.runIf(isPostgres)("two gateways of one database", () => {
  let home: TestGateway;
  let second: Gateway;
  let before: TestGrant;
  let first: string;
  beforeAll(async () => {
    [work, home] = await Promise.all([
      openTestGateway("work.localhost", WORK),
      openTestGateway("home.localhost", HOME),
    ]);
    before = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
    first = derToPem(before.enrolled.rootDer, "CERTIFICATE");
    second = await startBeside(work.directory);
  });
  afterAll(async () => {
    await second.stop();
    await Promise.all([work.stop(), home.stop()]);
    rmSync(folder, { recursive: true });
  });
  const both = <T>(ask: (gateway: Gateway) => Promise<T>): Promise<T[]> => Promise.all([work.gateway, second].map(ask));
  /** The roots that a gateway trusts, the one that signs first. */
  const trustedBy = async (gateway: Gateway): Promise<string[]> => {
    const dispatcher = new Agent({ connect: { ca: first } });
    const { body } = await request(`${gateway.publicUrl}/root.pem`, { dispatcher });
    const text = await body.text();
    await dispatcher.close();
    return pemBlocks(text, "CERTIFICATE").map((pem) =>
      fingerprintOf(pemToDer(pem, "CERTIFICATE", "CERTIFICATE_INVALID")),
    );
  };
  const ask = async (gateway: Gateway, { enrolled }: TestGrant): Promise<string> =>
    (
      await mtlsRequest({
        url: gateway.federationUrl,
        ca: first,
        ...credentialsOf(enrolled),
        body: { documentId: "capabilities", variables: {} },
      })
    ).code;

  test("trust the new root at once and sign by it together, and each takes what the other has signed", async () => {
    const older = fingerprintOf(before.enrolled.rootDer);
    expect((await rotate(work)).code).toBe(0);
    const [newer = ""] = await rootsOf(work);
    await expect
      .poll(() => both(trustedBy))
      .toEqual([
        [older, newer],
        [older, newer],
      ]);
    await work.pool.query("update federation.federation_authorities set created_at = created_at - interval '2 hours'");
    await work.pool.query(`select federation.send_notice('{"authorities": true}')`);
    await expect
      .poll(() => both(trustedBy))
      .toEqual([
        [newer, older],
        [newer, older],
      ]);
    for (const gateway of [work.gateway, second]) {
      await work.pool.query("select federation.publish_settings(jsonb_build_object('public_url', $1::text))", [
        gateway.publicUrl,
      ]);
      const since = await enrollGrant(work, home, "bob", "bob-at-home", SCOPE);
      expect(fingerprintOf(since.enrolled.rootDer)).toBe(newer);
      expect(await both((each) => ask(each, since))).toEqual(["OK", "OK"]);
    }
    expect(await both((each) => ask(each, before))).toEqual(["OK", "OK"]);
  });
});

describe.runIf(isPostgres)("mosaic ca rotate", () => {
  let alone: TestGateway;
  beforeEach(async () => {
    alone = await openTestGateway("alone.localhost", WORK);
  });
  afterEach(() => alone.stop());

  test("run twice at once makes one root: the other is told CONFLICT", async () => {
    const runs = await Promise.all([rotate(alone), rotate(alone)]);
    expect(runs.map(({ code }) => code).toSorted()).toEqual([0, 65]);
    expect(await rootsOf(alone)).toHaveLength(2);
  });

  test.each([
    ["before it has written", "select pg_advisory_xact_lock(hashtext('federation_authorities'))"],
    ["while it commits", "select from federation.federation_audit_chains where chain = 'admin' for update"],
  ])("killed %s has done all or nothing, and run again it completes that", async (_when, lock) => {
    const holder = await alone.pool.connect();
    await holder.query("begin");
    await holder.query(lock);
    const child = spawn(MOSAIC[0], [MOSAIC[1], "ca", "rotate", "--dir", alone.directory], { stdio: "ignore" });
    const exited = once(child, "exit");
    const waiting = async (): Promise<number[]> => {
      const { rows } = await alone.pool.query<{ pid: number }>(
        "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and usename = session_user",
      );
      return rows.map(({ pid }) => pid);
    };
    await expect.poll(waiting, SOON).toHaveLength(1);
    const [orphan] = await waiting();
    expect(child.kill("SIGKILL")).toBe(true);
    await exited;
    expect(await rootsOf(alone)).toHaveLength(1);
    await holder.query("rollback");
    holder.release();
    // Only when its backend is gone is it known whether it committed: one that no longer waits may do so yet.
    const remains = async (): Promise<number | null> =>
      (await alone.pool.query("select from pg_stat_activity where pid = $1", [orphan])).rowCount;
    await expect.poll(remains, SOON).toBe(0);

    const [newest] = await rootsOf(alone);
    const again = await rotate(alone);
    const roots = await rootsOf(alone);
    expect(roots).toHaveLength(2);
    // Either it was rolled back, and is done now, or it was committed, and another is refused.
    expect([again.code, roots.indexOf(newest ?? "")]).toEqual(again.code === 0 ? [0, 1] : [65, 0]);
    const { stdout } = await runMosaic(["doctor", "--local", "--json", "--dir", alone.directory]);
    const { findings } = JSON.parse(stdout) as { findings: { name: string; status: string }[] };
    expect(findings.find(({ name }) => name === "certificate authority")).toMatchObject({ status: "green" });
  });
});
