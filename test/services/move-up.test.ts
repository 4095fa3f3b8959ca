import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EventEmitter, once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { request } from "undici";
import { Agent } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";
import { addPeer, createGrant, createToken, listTasks } from "../../src/demo/actors.ts";
import { freePorts, startGatewayProcess } from "../../src/demo/gateway-process.ts";
import type { GatewayProcess } from "../../src/demo/gateway-process.ts";
import { fillWorld, HOME, WORK } from "../../src/demo/world.ts";
import { readCrl } from "../../src/pki/crl.ts";
import type { Crl } from "../../src/pki/crl.ts";
import { derToPem, pemBlocks, pemToDer, readX509 } from "../../src/pki/der.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { MOSAIC, runMosaic } from "../harness/mosaic.ts";
import type { MosaicRun } from "../harness/mosaic.ts";
import { execute, initLocal, move, onDatabase } from "./migrate-harness.ts";

const layout = layoutOf(process.env);
const { postgres, valkey, stepCa } = readDescription(layout.description) ?? {};
if (postgres === undefined || valkey === undefined || stepCa === undefined) {
  throw new Error("the services do not run; start them with: npm run services:up");
}

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const name = `moved_${randomBytes(6).toString("hex")}`;

let folder: string;
let old: string;
let moved: string;
let ca: string;
let home: { directory: string; process: GatewayProcess };
let work: GatewayProcess | undefined;
let ownStepCa: ChildProcess | undefined;
let caPort: number;
let databaseUrl: string;
let aliceToken: string;
let bobToken: string;
let bob: { grantId: string; serial: string };
let before: unknown[];

const rowsAtWork = async (token = aliceToken): Promise<unknown[]> => {
  const page = await listTasks(home.process.homeUrl, token, "federated:work.localhost");
  expect(page.sources).toMatchObject([{ status: "ok" }]);
  return page.rows;
};
/** What a gateway has published as revoked. */
const publishedBy = (directory: string): string => readFileSync(join(directory, "revocations.json"), "utf8");
const start = async (directory: string): Promise<GatewayProcess> => startGatewayProcess(MOSAIC, directory);

/** A step-ca that runs on the folder that `mosaic step-ca prepare` wrote. */
async function startStepCa(): Promise<void> {
  const log = openSync(join(folder, "step-ca.log"), "w");
  ownStepCa = spawn(join(layout.bin, "step-ca"), ["ca.json", "--password-file", join(folder, "password")], {
    cwd: ca,
    stdio: ["ignore", log, log],
  });
  closeSync(log);
  const dispatcher = new Agent({ connect: { ca: readFileSync(join(ca, "root.pem"), "utf8") } });
  for (let tries = 0; ; tries += 1) {
    const healthy = await request(`https://127.0.0.1:${caPort}/health`, { dispatcher }).then(
      async ({ statusCode, body }) => {
        await body.dump();
        return statusCode === 200;
      },
      () => false,
    );
    if (healthy) {
      break;
    }
    if (tries > 100 || ownStepCa.exitCode !== null) {
      throw new Error(`step-ca did not start: ${readFileSync(join(folder, "step-ca.log"), "utf8")}`);
    }
    await sleep(100);
  }
  await dispatcher.close();
}

const services = (root: string, key: string, url: string): string[] => [
  ...["--valkey-url", valkey.url, "--step-ca-url", url],
  ...["--step-ca-root", root, "--step-ca-key", key],
];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-move-up-"));
  moved = join(folder, "moved");
  ca = join(folder, "step-ca");
  [caPort = 0] = await freePorts(1);
  old = await initLocal(folder, "work.localhost");
  const homeDirectory = await initLocal(folder, "home.localhost");
  await useDatabase(old, ({ adminUrl }) => fillWorld(adminUrl, WORK));
  await execute(
    old,
    `create extension vector;
     create table app.ideas (id integer primary key, owner_id text not null, meaning vector(3));
     insert into app.ideas select g, 'alice', array[g, 1, 2]::vector from generate_series(1, 100) g;`,
    "select federation.register_resource('ideas', 'app.ideas', 'owner_id', embedding_column => 'meaning')",
  );
  await useDatabase(homeDirectory, ({ adminUrl }) => fillWorld(adminUrl, HOME));
  work = await start(old);
  home = { directory: homeDirectory, process: await start(homeDirectory) };
  await addPeer(home.directory, "alice-at-home", (await createGrant(old, "alice", SCOPE)).url);
  const ended = await createGrant(old, "carol", SCOPE);
  const { serial: endedSerial } = await addPeer(home.directory, "bob-at-home", ended.url);
  expect((await runMosaic(["federation", "grant", "revoke", ended.grantId, "--dir", old])).code).toBe(0);
  while (!existsSync(join(old, "revocations.json")) || !publishedBy(old).includes(endedSerial)) {
    await sleep(100);
  }
  const { grantId, url } = await createGrant(old, "bob", SCOPE);
  bob = { grantId, serial: (await addPeer(home.directory, "bob-at-home", url)).serial };
  // What comes from memory would say nothing of the gateway that has moved.
  for (const user of ["alice-at-home", "bob-at-home"]) {
    const uncached = ["federation", "peer", "cache", "work.localhost", "--user", user, "--ttl", "0"];
    expect(await runMosaic([...uncached, "--dir", home.directory])).toMatchObject({ code: 0 });
  }
  aliceToken = await createToken(home.directory, "alice-at-home");
  bobToken = await createToken(home.directory, "bob-at-home");
  before = await rowsAtWork();
  await work.stop();
  await onDatabase(postgres.url, (client) =>
    client.query(`create database ${name} encoding 'UTF8' template template0`),
  );
  databaseUrl = Object.assign(new URL(postgres.url), { pathname: `/${name}` }).href;
}, 300_000);
afterAll(async () => {
  await work?.stop();
  await home.process.stop();
  ownStepCa?.kill("SIGTERM");
  await onDatabase(postgres.url, (client) => client.query(`drop database ${name} with (force)`));
  rmSync(folder, { recursive: true, force: true });
});

describe("a gateway that began on PGlite and has peers", () => {
  test("gives its step-ca an intermediate below the root that they have pinned", async () => {
    writeFileSync(join(folder, "password"), "a password of the test\n");
    const prepare = (): Promise<MosaicRun> =>
      runMosaic([
        ...["step-ca", "prepare", "--out", ca, "--below", old, "--password-file", join(folder, "password")],
        ...["--address", `127.0.0.1:${caPort}`, "--crl-url", "https://work.localhost/crl", "--json"],
      ]);
    const made = await prepare();
    expect(made).toMatchObject({ code: 0 });
    expect((JSON.parse(made.stdout) as { files: string[] }).files).not.toContain("root-key.pem");
    for (const file of ["intermediate-key.pem", "provisioner.jwk.json"]) {
      expect(statSync(join(ca, file)).mode & 0o777).toBe(0o600);
    }
    expect(JSON.parse((await prepare()).stderr.trim())).toMatchObject({ error: { code: "CONFLICT" } });
    await startStepCa();
  });

  test("moves its database, and stays of tier standalone where step-ca is of another root", async () => {
    const report = await move(old, databaseUrl, "--dir", moved);
    expect(report).toMatchObject({ code: 0 });
    expect(JSON.parse(report.stdout)).toMatchObject({ tier: "standalone" });
    expect(publishedBy(moved)).toBe(publishedBy(old));
    const refused = await runMosaic([
      ...["upgrade", "--dir", moved, "--json"],
      ...services(stepCa.rootFile, stepCa.keyFile, stepCa.url),
    ]);
    expect(JSON.parse(refused.stderr.trim().split("\n").at(-1) ?? "")).toMatchObject({ error: { code: "CONFLICT" } });
    const config = JSON.parse(readFileSync(join(moved, "mosaic.config.json"), "utf8")) as { tier: string };
    expect(config.tier).toBe("standalone");
    work = await start(moved);
    expect(await rowsAtWork()).toEqual(before);
    await work.stop();
  });

  test("brings its audit log, whose chains hold, its embeddings, and their index, which registration still knows as its own", async () => {
    await onDatabase(databaseUrl, async (client) => {
      const count = async (): Promise<unknown> =>
        (await client.query("select from pg_indexes where tablename = 'ideas' and indexdef ~ 'hnsw'")).rowCount;
      const { rows } = await client.query("select id from app.ideas order by meaning <=> '[7,1,2]' limit 1");
      expect(rows).toEqual([{ id: 7 }]);
      const { rows: chains } = await client.query<{ fault: string | null }>(
        "select fault from federation.verify_audit()",
      );
      expect(chains.length).toBeGreaterThan(1);
      expect(chains.filter(({ fault }) => fault !== null)).toEqual([]);
      await client.query("begin");
      expect(await count()).toBe(1);
      await client.query("select federation.unregister_resource('ideas')");
      expect(await count()).toBe(0);
      await client.query("rollback");
    });
  });

  test("is raised to tier federated below its own root, and its peers notice nothing", async () => {
    const raised = await runMosaic([
      ...["upgrade", "--dir", moved, "--json"],
      ...services(join(ca, "root.pem"), join(ca, "provisioner.jwk.json"), `https://127.0.0.1:${caPort}`),
    ]);
    expect(raised).toMatchObject({ code: 0 });
    expect(JSON.parse(raised.stdout)).toMatchObject({ config: { tier: "federated" } });
    work = await start(moved);
    expect(await rowsAtWork()).toEqual(before);
    const { rows } = await onDatabase(databaseUrl, (client) =>
      client.query<{ kind: string }>("select kind from federation.federation_authorities where retired_at is null"),
    );
    expect(rows).toEqual([{ kind: "step-ca" }]);
  });

  test("publishes step-ca's lists, whose numbers begin anew, and the root's own for who has its certificates; both name what is revoked from now on, and such a peer learns it", async () => {
    const [intermediate, root] = ["intermediate.pem", "root.pem"].map((file) =>
      pemToDer(readFileSync(join(ca, file), "utf8"), "CERTIFICATE", "CERTIFICATE_INVALID"),
    );
    if (intermediate === undefined || root === undefined) {
      throw new Error("step-ca has no certificates");
    }
    const dispatcher = new Agent({ connect: { ca: derToPem(root, "CERTIFICATE") } });
    const get = async (path: string): Promise<Buffer> => {
      const { body } = await request(`${work?.publicUrl ?? ""}${path}`, { dispatcher });
      return Buffer.from(await body.arrayBuffer());
    };
    /** Of the list of step-ca, and of the root's. */
    const published = async (): Promise<[Crl, Crl]> => {
      const lists = pemBlocks((await get("/crl.pem")).toString(), "X509 CRL").map((pem) =>
        Buffer.from(pem.replace(/-----[^-]+-----/g, ""), "base64"),
      );
      const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = lists;
      expect(lists).toHaveLength(2);
      expect(first.equals(await get("/crl"))).toBe(true);
      return [readCrl(first, intermediate), readCrl(second, root)];
    };
    const [before, rootsBefore] = await published();
    expect(before.number).toBeLessThan(1_000);
    expect(rootsBefore.number).toBeGreaterThan(1_000_000);
    const ask = async (): Promise<unknown> =>
      (await listTasks(home.process.homeUrl, bobToken, "federated:work.localhost")).sources;
    expect(await ask()).toMatchObject([{ status: "ok" }]);

    expect((await runMosaic(["federation", "grant", "revoke", bob.grantId, "--dir", moved])).code).toBe(0);
    const names = async (): Promise<boolean[]> =>
      (await published()).map(({ revokedSerials }) => revokedSerials.has(bob.serial));
    for (let tries = 0; (await names()).includes(false) && tries < 50; tries += 1) {
      await sleep(100);
    }
    expect(await names()).toEqual([true, true]);
    const [after, rootsAfter] = await published();
    expect(after.number).toBeGreaterThan(before.number);
    expect(rootsAfter.number).toBeGreaterThan(rootsBefore.number);
    await expect(ask()).rejects.toThrow(/^GRANT_REVOKED/);
    await dispatcher.close();
  });

  test("enrolls new peers by certificates of the intermediate, beside the old ones", async () => {
    const { url } = await createGrant(moved, "carol", SCOPE);
    const enrolled = await addPeer(home.directory, "bob-at-home", url);
    expect(enrolled.chainDer).toHaveLength(2);
    const [leaf = Buffer.alloc(0), intermediate = Buffer.alloc(0)] = enrolled.chainDer;
    expect(readX509(leaf, "CERTIFICATE_INVALID").checkIssued(readX509(intermediate, "CERTIFICATE_INVALID"))).toBe(true);
    await expect(rowsAtWork(await createToken(home.directory, "bob-at-home"))).resolves.toBeDefined();
    expect(await rowsAtWork()).toEqual(before);
  });

  test("serves on while step-ca is away; enrolling waits, and its token stays good", async () => {
    const { grantId, url } = await createGrant(moved, "carol", SCOPE);
    const ended = once(ownStepCa ?? new EventEmitter(), "exit");
    ownStepCa?.kill("SIGTERM");
    await ended;
    expect(await rowsAtWork()).toEqual(before);
    await expect(addPeer(home.directory, "bob-at-home", url)).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    const state = async (): Promise<unknown> =>
      onDatabase(databaseUrl, async (client) => {
        const { rows } = await client.query<{ status: string }>(
          "select status from federation.list_grants() where id = $1",
          [grantId],
        );
        return rows[0]?.status;
      });
    expect(await state()).toBe("pending");
    // Rows are written at most 200 ms after the answer.
    await sleep(500);
    const { rows: audited } = await onDatabase(databaseUrl, (client) =>
      client.query("select code from federation.federation_audit_log where verb = 'enroll' and outcome = 'failed'"),
    );
    expect(audited).toEqual([{ code: "UNAVAILABLE" }]);
    await startStepCa();
    await addPeer(home.directory, "bob-at-home", url);
    expect(await state()).toBe("active");
  });

  test("can give step-ca another intermediate, and go back to signing itself; peers of both kinds stay", async () => {
    const again = join(folder, "step-ca-again");
    const made = await runMosaic([
      ...["step-ca", "prepare", "--out", again, "--below", moved, "--password-file", join(folder, "password")],
      ...["--crl-url", "https://work.localhost/crl", "--json"],
    ]);
    expect(made.code).toBe(0);
    expect(readFileSync(join(again, "root.pem"), "utf8")).toBe(readFileSync(join(ca, "root.pem"), "utf8"));
    await work?.stop();
    const file = join(moved, "mosaic.config.json");
    const federated = readFileSync(file, "utf8");
    writeFileSync(file, JSON.stringify({ ...(JSON.parse(federated) as object), tier: "standalone" }));
    work = await start(moved);
    expect(await rowsAtWork()).toEqual(before);
    await expect(rowsAtWork(await createToken(home.directory, "bob-at-home"))).resolves.toBeDefined();
    const { rows } = await onDatabase(databaseUrl, (client) =>
      client.query("select kind from federation.federation_authorities where retired_at is null"),
    );
    expect(rows).toEqual([{ kind: "embedded" }]);
    await work.stop();
    writeFileSync(file, federated);
    work = await start(moved);
    expect(await rowsAtWork()).toEqual(before);
  });

  test("is not raised twice", async () => {
    await work?.stop();
    const again = await runMosaic([
      ...["upgrade", "--dir", moved, "--json"],
      ...services(join(ca, "root.pem"), join(ca, "provisioner.jwk.json"), `https://127.0.0.1:${caPort}`),
    ]);
    expect(again.code).toBe(78);
    expect(JSON.parse(readFileSync(join(moved, "mosaic.config.json"), "utf8"))).toMatchObject({ tier: "federated" });
    expect(statSync(join(moved, "secrets", "valkey-url")).mode & 0o777).toBe(0o600);
  });
});
