import { createServer } from "node:net";
import { loadConfig, readSecret } from "../../config/load.ts";
import { gatewayPaths, SECRET_VARIABLES } from "../../config/paths.ts";
import type { GatewayPaths } from "../../config/paths.ts";
import type { Config } from "../../config/schema.ts";
import { asAdministrator } from "../../database/administrator.ts";
import { loadKeyring } from "../../seal/keyring.ts";
import { examineRequirements } from "../requirements.ts";
import { useDatabase } from "../use-database.ts";
import { lookAtDatabase } from "./database.ts";
import { createFindings } from "./findings.ts";
import type { Finding, Findings, Found } from "./findings.ts";
import { lookAtPeers } from "./peers.ts";

/** What `mosaic doctor` tells. */
export interface Examination {
  /** Whether nothing is red. */
  ok: boolean;
  /** Undefined where the configuration cannot be read. */
  tier: Config["tier"] | undefined;
  findings: Finding[];
}

/**
 * Looks at everything that a gateway stands on, whether it runs or not. A fault in one thing keeps others from being looked at only if
 * they need it.
 *
 * @param options.remote whether peers are asked, too
 */
export async function examineGateway(directory: string, options: { remote: boolean }): Promise<Examination> {
  const findings = createFindings();
  const paths = gatewayPaths(directory);
  let config: Config | undefined;
  await findings.look("configuration", `mosaic init --dir ${directory}`, () => {
    config = loadConfig(paths);
    return Promise.resolve({ status: "green", detail: `tier ${config.tier}, host ${config.host}` });
  });
  if (config !== undefined) {
    await lookAtGateway(directory, { config, paths, findings, remote: options.remote });
  }
  const { all } = findings;
  return { ok: all.every(({ status }) => status !== "red"), tier: config?.tier, findings: all };
}

async function lookAtGateway(
  directory: string,
  options: { config: Config; paths: GatewayPaths; findings: Findings; remote: boolean },
): Promise<void> {
  const { config, paths, findings, remote } = options;
  const { look } = findings;
  const { listeners, tier } = config;
  await look("sealing keys", `restore ${paths.sealKeys} from your backup`, () => {
    const { current, keys } = loadKeyring(paths.sealKeys);
    return Promise.resolve({ status: "green", detail: `${keys.size} in the keyring, version ${current} seals` });
  });
  for (const [name, { address, port }] of Object.entries(listeners)) {
    await look(`port ${port} (${name})`, `choose another under listeners.${name}.port`, () =>
      lookAtPort(address, port),
    );
  }
  if (tier === "federated") {
    for (const { name, detail, remedy } of await examineRequirements(config, paths)) {
      findings.add({
        name,
        scope: "local",
        detail,
        ...(remedy === undefined ? { status: "green" } : { status: "red", remedy }),
      });
    }
  }
  const remedy =
    tier === "local"
      ? "stop what else uses this directory, then try again"
      : `check ${paths.adminDatabaseUrl} and that the database runs`;
  await look("database", remedy, () =>
    useDatabase(directory, async (gateway) => {
      const found = await lookAtDatabase(gateway, findings);
      if (tier === "standalone") {
        const gatewayUrl = readSecret(paths.gatewayDatabaseUrl, SECRET_VARIABLES.gatewayDatabaseUrl);
        await asAdministrator(gatewayUrl, (client) => client.query("select 1"), "own");
      }
      if (remote) {
        await look("peers", "look at the faults above first", async () => {
          const peers = await lookAtPeers(gateway);
          peers.forEach(findings.add);
          const count = peers.filter(({ name }) => name.startsWith("peer ")).length;
          return { status: "green", detail: count === 0 ? "none" : `${count} asked, see their lines` };
        });
      }
      return found;
    }),
  );
}

/** By listening there for a moment: who connects would leave a refused handshake in the gateway's own audit log. */
async function lookAtPort(address: string, port: number): Promise<Found> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen({ host: address, port, exclusive: true }, resolve);
    });
    return { status: "green", detail: "free; the gateway is not running" };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") {
      return { status: "green", detail: "something listens" };
    }
    throw error;
  } finally {
    server.close();
  }
}
