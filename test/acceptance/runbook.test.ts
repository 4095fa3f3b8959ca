import { randomBytes } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { MOSAIC } from "../harness/mosaic.ts";
import { openProxy } from "../services/proxy.ts";
import type { Proxy } from "../services/proxy.ts";
import { openShell, readHosts, readRunbook } from "./runbook.ts";
import type { Shell } from "./runbook.ts";

const template = inject("template");
const services = template.kind === "postgres" ? template.services : undefined;
const TIER = template.kind === "pglite" ? "local" : services === undefined ? "standalone" : "federated";
const BLOCKS = readRunbook(TIER);
const SECTIONS = [...new Set(BLOCKS.map(({ section }) => section))];

/** What each section shows once it was followed, in the order in which it shows it. */
const SHOWS: Record<string, RegExp[]> = {
  "What you have": [],
  Onboard: [
    /GRANT_PENDING. If the grant served[^]*tasks +1 +1/,
    /is now a peer of alice/,
    /Water the plants[^]*Renew the certificate/,
    /localhost: 1 row/,
    / green +database[^]* green +peer localhost of alice +reachable/,
  ],
  Rotate: [
    /certificate of alice for localhost is good/,
    /version 2[^]*version 3/,
    /is revoked/,
    /Renew the certificate/,
  ],
  Revoke: [
    /is suspended/,
    /localhost: GRANT_SUSPENDED/,
    /is active/,
    /Revoked: one certificate/,
    /localhost: CERTIFICATE_REVOKED/,
    /is now a peer of alice/,
    /Renew the certificate/,
    /bob +home\.localhost +revoked/,
    /alice +home\.localhost +active/,
    /handshake[^]*CERTIFICATE_REVOKED[^]*GRANT_SUSPENDED/,
    /Every chain holds/,
  ],
  "Restore from a backup": [
    /Revoked: one certificate/,
    /REVOCATIONS_LOST/,
    /exit code 78/,
    /keyCompromise[^]*Nothing was changed/,
    /Put back: 1 certificates revoked/,
    /is now a peer of alice/,
    /Renew the certificate/,
    /Every chain holds/,
  ],
  "Replace the certificate authority": [
    ...(TIER === "federated" ? [/is revoked since/] : [/new root +[0-9a-f]{64}/, /retired/i]),
    /is now a peer of alice/,
    /Renew the certificate/,
  ],
  "Lose Valkey": [/Renew the certificate/, /VALKEY/, /red/, / green +Valkey/i],
  "Lose the peer": [
    /Water the plants[^]*localhost: (PEER_UNREACHABLE|PEER_TIMEOUT)/,
    /exit code/,
    /active/,
    /Renew the certificate/,
    /local: 1 row/,
  ],
};

let folder: string;
let shell: Shell;
let valkey: Proxy | undefined;
const closers: (() => unknown)[] = [];

/** What the page says that its reader has. */
async function environment(): Promise<NodeJS.ProcessEnv> {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "mosaic"), `#!/bin/sh\nexec '${MOSAIC[0]}' '${MOSAIC[1]}' "$@"\n`);
  chmodSync(join(bin, "mosaic"), 0o755);
  const [work = 0] = await freePorts(3);
  const [home = 0] = await freePorts(3);
  const [authority] = await freePorts(1);
  const path = [bin, dirname(MOSAIC[0]), layoutOf(process.env).bin, process.env["PATH"]];
  return {
    ...{ PATH: path.join(delimiter), HOME: folder, LANG: "C.UTF-8", NO_COLOR: "1" },
    ...{ WORK_PORT: String(work), HOME_PORT: String(home), ...readHosts() },
    NEW_CA_ADDRESS: `127.0.0.1:${authority}`,
    HOME_DATABASE: `host=${folder}/home/run user=postgres sslmode=disable`,
    ...(await database()),
  };
}

async function database(): Promise<{ WORK_TIER: string; WORK_DATABASE: string; WORK_SERVER?: string }> {
  if (template.kind === "pglite") {
    return { WORK_TIER: "--tier local", WORK_DATABASE: `host=${folder}/work/run user=postgres sslmode=disable` };
  }
  const name = `runbook_${randomBytes(6).toString("hex")}`;
  const admin = new Client({ connectionString: template.serverUrl });
  await admin.connect();
  await admin.query(`create database ${name}`);
  closers.push(async () => {
    for (const left of [name, `${name}_backup`]) {
      await admin.query(`drop database if exists ${left} with (force)`);
    }
    await admin.end();
  });
  const url = Object.assign(new URL(template.serverUrl), { pathname: `/${name}` }).href;
  const given = { WORK_DATABASE: url, WORK_SERVER: template.serverUrl };
  if (services === undefined) {
    return { WORK_TIER: `--tier standalone --database-url ${url}`, ...given };
  }
  const [root, key] = [join(folder, "step-ca-root.pem"), join(folder, "step-ca-key.json")];
  writeFileSync(root, services.stepCaRoot);
  writeFileSync(key, services.stepCaKey);
  const behind = new URL(services.valkeyUrl);
  valkey = await openProxy(behind);
  closers.push(() => valkey?.close());
  const valkeyUrl = Object.assign(new URL(behind), { port: String(valkey.port), hostname: "127.0.0.1" }).href;
  const options = ["--tier federated", `--database-url ${url}`, `--valkey-url ${valkeyUrl}`];
  const stepCa = [`--step-ca-url ${services.stepCaUrl}`, `--step-ca-root ${root}`, `--step-ca-key ${key}`];
  return { WORK_TIER: [...options, ...stepCa].join(" "), ...given };
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "runbook-"));
  closers.push(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  shell = openShell(folder, await environment());
  closers.push(() => shell.end());
});
afterAll(async () => {
  for (const close of closers.toReversed()) {
    await close();
  }
});

test("the runbook is about each of what may come", () => {
  const inEveryTier = Object.keys(SHOWS).filter((section) => TIER === "federated" || section !== "Lose Valkey");
  expect(SECTIONS).toEqual(inEveryTier);
});

describe.each(SECTIONS)("8. the runbook's steps, as they are printed: %s", (section) => {
  const blocks = BLOCKS.filter((block) => block.section === section);
  let shown = "";

  test.each(blocks.map((block, index) => ({ ...block, index })))(
    "the commands from line $line on",
    async ({ commands, index }) => {
      if (section === "Lose Valkey") {
        await (index === 0 ? valkey?.close() : valkey?.open());
      }
      shown += await shell.run(commands);
    },
    120_000,
  );

  test("show what the page says", () => {
    let from = 0;
    for (const pattern of SHOWS[section] ?? []) {
      const match = pattern.exec(shown.slice(from));
      expect(match, `${pattern} in:\n${shown.slice(from)}`).not.toBeNull();
      from += (match?.index ?? 0) + (match?.[0].length ?? 0);
    }
  });
});
