import { Client } from "undici";
import { z } from "zod";
import { readSecret } from "../config/load.ts";
import { SECRET_VARIABLES } from "../config/paths.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { readStepCaRoot } from "./open-authority.ts";
import { clockOf, reason, REQUIREMENT_MS } from "./requirement.ts";
import type { Requirement } from "./requirement.ts";

/** Earlier ones issue to anybody over SCEP (CVE-2026-30836). */
const OLDEST = [0, 30, 2];

const provisionersAnswer = z.object({
  provisioners: z.array(
    z.object({
      type: z.string(),
      name: z.string(),
      key: z.object({ kid: z.string() }).optional(),
      claims: z.object({ maxTLSCertDuration: z.string().optional() }).optional(),
    }),
  ),
});

/** Looks at step-ca: healthy, of the pinned root, new enough, with our provisioner and our key, long enough certificates, its clock. */
export async function examineStepCa(config: Config, paths: GatewayPaths): Promise<Requirement[]> {
  const { stepCa } = config;
  if (stepCa === undefined) {
    return [{ name: "step-ca", detail: "is not configured", remedy: 'set "stepCa" in the configuration' }];
  }
  let client: Client | undefined;
  try {
    // Nothing but the pinned root is trusted, so an answer proves that step-ca is of that root.
    client = new Client(stepCa.url, {
      connect: { ca: readStepCaRoot(stepCa, paths), timeout: REQUIREMENT_MS },
      maxResponseSize: 1024 * 1024,
    });
    const signal = AbortSignal.timeout(REQUIREMENT_MS);
    const health = await get(client, "/health", signal);
    if ((health.value as { status?: string }).status !== "ok") {
      throw new Error(`it is not healthy (${health.status})`);
    }
    const { version } = z.object({ version: z.string() }).parse((await get(client, "/version", signal)).value);
    const { provisioners } = provisionersAnswer.parse((await get(client, "/1.0/provisioners", signal)).value);
    const fault = faultOfVersion(version) ?? faultOfProvisioner(config, paths, provisioners, stepCa.provisioner);
    return [
      fault ?? { name: "step-ca", detail: `version ${version}, healthy, of the pinned root, with our provisioner` },
      ...(health.date === undefined ? [] : [clockOf("step-ca", health.date)]),
    ];
  } catch (error) {
    return [
      {
        name: "step-ca",
        detail: reason(error),
        remedy: `start it, or correct "stepCa" in the configuration (is ${stepCa.rootFile} its root?)`,
      },
    ];
  } finally {
    await client?.destroy();
  }
}

async function get(
  client: Client,
  path: string,
  signal: AbortSignal,
): Promise<{ status: number; value: unknown; date: Date | undefined }> {
  const { statusCode, headers, body } = await client.request({ method: "GET", path, signal });
  const { date } = headers;
  return { status: statusCode, value: await body.json(), date: typeof date === "string" ? new Date(date) : undefined };
}

function faultOfVersion(version: string): Requirement | undefined {
  const found = version.split(/[.-]/).map(Number);
  const index = OLDEST.findIndex((part, at) => (found[at] ?? 0) !== part);
  return index === -1 || (found[index] ?? 0) > (OLDEST[index] ?? 0)
    ? undefined
    : { name: "step-ca", detail: `version ${version}`, remedy: `upgrade it to ${OLDEST.join(".")} or later` };
}

function faultOfProvisioner(
  config: Config,
  paths: GatewayPaths,
  provisioners: z.output<typeof provisionersAnswer>["provisioners"],
  name: string,
): Requirement | undefined {
  const key = z
    .looseObject({ kid: z.string() })
    .parse(JSON.parse(readSecret(paths.stepCaKey, SECRET_VARIABLES.stepCaKey)));
  const ours = provisioners.find((one) => one.type === "JWK" && one.name === name && one.key?.kid === key.kid);
  if (ours === undefined) {
    return {
      name: "step-ca",
      detail: `it has no JWK provisioner "${name}" with the key ${key.kid}`,
      remedy: `correct stepCa.provisioner in the configuration, or ${paths.stepCaKey}`,
    };
  }
  const days = hoursOf(ours.claims?.maxTLSCertDuration ?? "24h") / 24;
  // The server's own certificate lives for as long at most.
  const wanted = Math.max(config.certificateLifetimeDays, 30);
  return days < wanted
    ? {
        name: "step-ca",
        detail: `the provisioner "${name}" issues for ${Math.floor(days)} days, and the gateway needs ${wanted}`,
        remedy: `set maxTLSCertDuration of the provisioner to "${wanted * 24}h", or certificateLifetimeDays lower`,
      }
    : undefined;
}

/** Hours of a Go duration, for example `720h0m0s` (pkg.go.dev/time#ParseDuration). */
function hoursOf(duration: string): number {
  const [, hours, minutes, seconds] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(duration) ?? [];
  return Number(hours ?? 0) + Number(minutes ?? 0) / 60 + Number(seconds ?? 0) / 3600;
}
