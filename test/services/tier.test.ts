import { randomBytes } from "node:crypto";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo, Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";
import { derToPem } from "../../src/pki/der.ts";
import { createRoot } from "../../src/pki/embedded-authority.ts";
import { runMosaic } from "../harness/mosaic.ts";
import type { MosaicRun } from "../harness/mosaic.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import { onDatabase } from "./migrate-harness.ts";
import { serve } from "./processes.ts";

const { postgres, valkey, stepCa } = readDescription(layoutOf(process.env).description) ?? {};
if (postgres === undefined || valkey === undefined || stepCa === undefined) {
  throw new Error("the services do not run; start them with: npm run services:up");
}

/** Faults are told within ten seconds, starting the program included. */
const SOON_MS = 10_000;

let folder: string;
let directory: string;
let databaseUrl: string;
let unvectored: Awaited<ReturnType<typeof startPostgresServer>>;
let silent: { server: Server; port: number };

const name = `tier_${randomBytes(6).toString("hex")}`;
const init = (into: string, url: string): Promise<MosaicRun> =>
  runMosaic([
    ...["init", "--dir", into, "--host", "work.localhost", "--tier", "federated", "--sample", "--json"],
    ...["--database-url", url, "--valkey-url", valkey.url],
    ...["--step-ca-url", stepCa.url, "--step-ca-root", stepCa.rootFile, "--step-ca-key", stepCa.keyFile],
  ]);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-tier-"));
  directory = join(folder, "gateway");
  await onDatabase(postgres.url, (client) => client.query(`create database ${name}`));
  const url = new URL(postgres.url);
  url.pathname = `/${name}`;
  databaseUrl = url.href;
  unvectored = await startPostgresServer();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  silent = { server, port: (server.address() as AddressInfo).port };
});
afterAll(async () => {
  silent.server.close();
  await unvectored.stop();
  await onDatabase(postgres.url, (client) => client.query(`drop database ${name} with (force)`));
  rmSync(folder, { recursive: true, force: true });
});

describe("acceptance 1 and 3: with all services present", () => {
  test("init makes a gateway of tier federated, its secrets readable to its owner alone", async () => {
    const made = await init(directory, databaseUrl);
    expect(made).toMatchObject({ code: 0 });
    expect(JSON.parse(made.stdout)).toMatchObject({ config: { tier: "federated", version: 2 } });
    const config = readFileSync(join(directory, "mosaic.config.json"), "utf8");
    expect(config).not.toContain(new URL(valkey.url).password);
    expect(config).not.toContain(new URL(databaseUrl).password);
  });

  test("the gateway boots, and proves to be itself by a certificate of step-ca's", async () => {
    const served = await serve(directory);
    const dispatcher = new Agent({ connect: { ca: readFileSync(stepCa.rootFile, "utf8") } });
    const health = await request(`${served.publicUrl}/healthz`, { dispatcher });
    expect([health.statusCode, await health.body.json()]).toEqual([200, { status: "ok" }]);
    const root = await request(`${served.publicUrl}/root.pem`, { dispatcher });
    expect(await root.body.text()).toBe(readFileSync(stepCa.rootFile, "utf8"));
    await dispatcher.close();
    expect(await served.stop()).toBe(0);
  });

  test("vector is in pg_extension", async () => {
    const { rows } = await onDatabase(databaseUrl, (client) =>
      client.query("select extname from pg_extension where extname = 'vector'"),
    );
    expect(rows).toEqual([{ extname: "vector" }]);
  });

  test("step-ca's root is the authority that signs, without a key", async () => {
    const { rows } = await onDatabase(databaseUrl, (client) =>
      client.query("select kind, fingerprint, sealed_key from federation.federation_authorities"),
    );
    expect(rows).toEqual([{ kind: "step-ca", fingerprint: stepCa.rootFingerprint, sealed_key: null }]);
  });
});

describe("acceptance 2: a gateway whose", () => {
  /** What `serve` says and how soon, with something amiss in a copy of the directory. */
  async function refusal(
    amiss: (copy: string) => void,
  ): Promise<{ code: number | null; ms: number; error: { code: string; message: string } }> {
    const copy = mkdtempSync(join(folder, "amiss-"));
    cpSync(directory, copy, { recursive: true });
    amiss(copy);
    const started = performance.now();
    const { code, stderr } = await runMosaic(["serve", "--dir", copy, "--json"]);
    const { error } = JSON.parse(stderr.trim().split("\n").at(-1) ?? "") as {
      error: { code: string; message: string };
    };
    return { code, ms: performance.now() - started, error };
  }
  const secret = (copy: string, file: string, text: string): void => {
    writeFileSync(join(copy, "secrets", file), `${text}\n`);
  };
  const configure = (copy: string, change: (config: Record<string, unknown>) => Record<string, unknown>): void => {
    const file = join(copy, "mosaic.config.json");
    writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, "utf8")) as Record<string, unknown>)));
  };
  const at = (url: string, port: number): string => Object.assign(new URL(url), { port: String(port) }).href;
  const withStepCa = (change: object) => (copy: string) => {
    configure(copy, (config) => ({ ...config, stepCa: { ...(config["stepCa"] as object), ...change } }));
  };
  // Nothing listens at port 1.
  const noPostgres = (copy: string): void => {
    secret(copy, "admin-database-url", at(databaseUrl, 1));
  };
  const noValkey = (copy: string): void => {
    secret(copy, "valkey-url", at(valkey.url, 1));
  };
  const noStepCa = withStepCa({ url: "https://127.0.0.1:1" });

  test.each<[string, (copy: string) => void, string[]]>([
    ["PostgreSQL is unreachable", noPostgres, ["PostgreSQL"]],
    ["Valkey is unreachable", noValkey, ["Valkey"]],
    ["step-ca is unreachable", noStepCa, ["step-ca"]],
    [
      "PostgreSQL, Valkey and step-ca are all unreachable",
      (copy) => {
        noPostgres(copy);
        noValkey(copy);
        noStepCa(copy);
      },
      ["PostgreSQL", "Valkey", "step-ca"],
    ],
    [
      "services take connections and never answer",
      (copy) => {
        secret(copy, "admin-database-url", at(databaseUrl, silent.port));
        secret(copy, "valkey-url", at(valkey.url, silent.port));
        withStepCa({ url: `https://127.0.0.1:${silent.port}` })(copy);
      },
      ["PostgreSQL", "Valkey", "step-ca"],
    ],
    [
      "PostgreSQL has no pgvector",
      (copy) => {
        secret(copy, "admin-database-url", unvectored.url("postgres"));
      },
      ["pgvector"],
    ],
    [
      "PostgreSQL's password is wrong",
      (copy) => {
        secret(copy, "admin-database-url", Object.assign(new URL(databaseUrl), { password: "wrong" }).href);
      },
      ["PostgreSQL"],
    ],
    [
      "own login is wrong",
      (copy) => {
        secret(copy, "gateway-database-url", Object.assign(new URL(databaseUrl), { password: "wrong" }).href);
      },
      ["database privileges"],
    ],
    [
      "Valkey's password is wrong",
      (copy) => {
        secret(copy, "valkey-url", Object.assign(new URL(valkey.url), { password: "wrong" }).href);
      },
      ["Valkey"],
    ],
    [
      "pinned root is not step-ca's",
      (copy) => {
        const { certificateDer } = createRoot({ commonName: "other", lifetimeDays: 1 });
        writeFileSync(join(copy, "step-ca-root.pem"), derToPem(certificateDer, "CERTIFICATE"));
      },
      ["step-ca"],
    ],
    ["provisioner is unknown to step-ca", withStepCa({ provisioner: "nobody" }), ["step-ca"]],
    [
      "certificates are to live for longer than step-ca issues",
      (copy) => {
        configure(copy, (config) => ({ ...config, certificateLifetimeDays: 60 }));
      },
      ["step-ca"],
    ],
  ])("%s refuses to start: soon, with exit code 78, and says which", async (_, amiss, named) => {
    const { code, ms, error } = await refusal(amiss);
    expect([code, error.code]).toEqual([78, "CONFIG_INVALID"]);
    expect(ms).toBeLessThan(SOON_MS);
    const told = [...error.message.matchAll(/^ {2}(\S[^:\n]*):/gm)].map(([, which]) => which);
    expect(told).toEqual(named);
    // Each with what to do about it.
    expect(error.message.match(/^ {4}\S/gm)).toHaveLength(named.length);
    for (const hidden of [new URL(databaseUrl).password, new URL(valkey.url).password]) {
      expect(error.message).not.toContain(hidden);
    }
  });

  test("database has pgvector that is not installed is told to install it", async () => {
    const bare = `${name}_bare`;
    await onDatabase(postgres.url, (client) => client.query(`create database ${bare}`));
    try {
      const url = Object.assign(new URL(databaseUrl), { pathname: `/${bare}` }).href;
      const { code, error } = await refusal((copy) => {
        secret(copy, "admin-database-url", url);
      });
      expect(code).toBe(78);
      expect(error.message).toContain("create extension vector");
    } finally {
      await onDatabase(postgres.url, (client) => client.query(`drop database ${bare} with (force)`));
    }
  });

  test("secrets come from the environment starts with the files away", async () => {
    const file = join(directory, "secrets", "valkey-url");
    const kept = readFileSync(file);
    rmSync(file);
    try {
      const served = await serve(directory, { MOSAIC_VALKEY_URL: valkey.url });
      expect(await served.stop()).toBe(0);
    } finally {
      writeFileSync(file, kept, { mode: 0o600 });
    }
  });
});

test("init on a Postgres without pgvector makes nothing, and says what is missing", async () => {
  const into = join(folder, "refused");
  const made = await init(into, unvectored.url("postgres"));
  expect(made.code).toBe(78);
  expect(made.stderr).toContain("pgvector");
  const { rows } = await onDatabase(unvectored.url("postgres"), (client) =>
    client.query("select 1 from pg_namespace where nspname = 'federation'"),
  );
  expect(rows).toEqual([]);
});
