import { copyFileSync, existsSync } from "node:fs";
import { join } from "node:path";
import { placeStepCaSecrets, writeStepCaConfig } from "./authority.ts";
import type { AuthorityFiles } from "./authority.ts";
import { VERSIONS } from "./layout.ts";
import type { Layout } from "./layout.ts";
import { isRoot, runningPid, startConfined, UNPRIVILEGED, waitUntil } from "./processes.ts";
import { findProgram, run } from "./run.ts";
import { stepCaRequest } from "./wire.ts";

// Key stores and databases that are not used here.
const TAGS = ["noazurekms", "nopkcs11", "noyubikey", "notpmkms", "nobadger", "nomysql", "nopgx"];

/** The file that a build of this release makes. */
function builtFile(layout: Layout): string {
  return join(layout.bin, `step-ca-${VERSIONS.stepCa}`);
}

export function hasStepCa(layout: Layout): boolean {
  return existsSync(builtFile(layout));
}

/** Builds step-ca from its sources, as published on the Go module proxy. */
export async function buildStepCa(layout: Layout): Promise<void> {
  const go = findProgram("go", ["/usr/local/go/bin"]);
  if (go === undefined) {
    throw new Error("Go is not installed: it takes 1.25 or newer, from https://go.dev/dl/");
  }
  await run(
    go,
    [
      ...["install", "-tags", TAGS.join(","), "-ldflags", `-s -w -X main.Version=${VERSIONS.stepCa}`],
      `github.com/smallstep/certificates/cmd/step-ca@v${VERSIONS.stepCa}`,
    ],
    { env: { GOBIN: layout.bin, CGO_ENABLED: "0" }, log: join(layout.log, "go-install.log"), timeoutSeconds: 2_400 },
  );
  copyFileSync(join(layout.bin, "step-ca"), builtFile(layout));
}

export function stepCaUrl(layout: Layout): string {
  return `https://127.0.0.1:${layout.ports["step-ca"]}`;
}

/** What certificates name as the place of the revocation list. */
export function crlUrl(layout: Layout): string {
  return `${stepCaUrl(layout)}/1.0/crl`;
}

/** Starts step-ca on loopback: as root within its own folder and as an unprivileged user, otherwise as who runs this. */
export async function startStepCa(layout: Layout, files: AuthorityFiles): Promise<void> {
  const confined = isRoot();
  const base = confined ? "" : layout.stepCa;
  copyFileSync(builtFile(layout), join(layout.stepCa, "bin", "step-ca"));
  placeStepCaSecrets(layout, confined ? UNPRIVILEGED : undefined);
  writeStepCaConfig(layout, files, {
    config: `${base}/config`,
    key: `${base}/secrets/step-ca-intermediate-key`,
    database: `${base}/db/step-ca.db`,
    address: `127.0.0.1:${layout.ports["step-ca"]}`,
    dnsNames: ["localhost", "127.0.0.1"],
    crlUrl: crlUrl(layout),
  });
  const { logFile } = startConfined(layout, "step-ca", layout.stepCa, [
    "/bin/step-ca",
    "--password-file",
    `${base}/secrets/step-ca-password`,
    `${base}/config/ca.json`,
  ]);
  const stepCa = { url: stepCaUrl(layout), ...files };
  await waitUntil(async () => (await stepCaVersion(stepCa)) !== undefined, {
    alive: () => runningPid(layout, "step-ca") !== undefined,
    logFile,
    seconds: 30,
  });
}

/** The release of a step-ca that is healthy and has this root; undefined where it does not answer. */
export async function stepCaVersion(stepCa: { url: string; rootFile: string }): Promise<string | undefined> {
  try {
    const health = await stepCaRequest(stepCa, "/health");
    const version = await stepCaRequest(stepCa, "/version");
    return health.status === 200 ? (JSON.parse(version.body.toString()) as { version: string }).version : undefined;
  } catch {
    return undefined;
  }
}
