import { mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { vi } from "vitest";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { pemToDer } from "../../src/pki/der.ts";
import { prepareAuthority, PROVISIONER } from "../../scripts/services/authority.ts";
import { layoutOf } from "../../scripts/services/layout.ts";
import { stopProcess } from "../../scripts/services/processes.ts";
import { prepareSecrets } from "../../scripts/services/secrets.ts";
import { buildStepCa, hasStepCa, startStepCa, stepCaUrl } from "../../scripts/services/step-ca.ts";
import type { Killable } from "./killable.ts";

/** A step-ca of a test's own, which may be killed: the services' is for everybody. */
export interface OwnStepCa extends Killable {
  url: string;
  provisioner: string;
  /** PEM. */
  root: string;
  /** The provisioner's private key, JSON Web Key. */
  key: string;
  /** Who signs its list, DER. */
  crlIssuer: Buffer;
  remove(): Promise<void>;
}

/**
 * Makes a step-ca and starts it, from the program of the services. Where they run in containers, it is built first.
 *
 * @throws Error where that needs Go, and there is none
 */
export async function openStepCa(): Promise<OwnStepCa> {
  const folder = mkdtempSync(join(tmpdir(), "mosaic-step-ca-"));
  const services = layoutOf(process.env);
  const [port] = await freePorts(1);
  const layout = layoutOf({
    ...process.env,
    MOSAIC_SERVICES_DIR: folder,
    MOSAIC_SERVICES_STEP_CA_PORT: String(port),
  });
  if (hasStepCa(services)) {
    symlinkSync(services.bin, layout.bin);
  }
  prepareSecrets(layout);
  if (!hasStepCa(layout)) {
    await buildStepCa(layout);
  }
  const files = await prepareAuthority(layout);
  await startStepCa(layout, files);
  return {
    url: stepCaUrl(layout),
    provisioner: PROVISIONER,
    root: readFileSync(files.rootFile, "utf8"),
    key: readFileSync(files.keyFile, "utf8"),
    crlIssuer: pemToDer(
      readFileSync(join(layout.authority, "intermediate.pem"), "utf8"),
      "CERTIFICATE",
      "CERTIFICATE_INVALID",
    ),
    kill: async () => {
      await stopProcess(layout, "step-ca", "SIGKILL");
    },
    start: () =>
      // The file of a program that was killed is busy for a moment yet.
      vi.waitFor(() => startStepCa(layout, files), { timeout: 30_000, interval: 100 }),
    remove: async () => {
      await stopProcess(layout, "step-ca", "SIGTERM");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
