import { connect } from "node:net";
import { loadConfig, readSecret } from "../config/load.ts";
import { gatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { asAdministrator } from "../database/administrator.ts";
import { isUpToDate } from "../database/migrate.ts";
import { asFederationError, FederationError } from "../errors.ts";
import { readX509 } from "../pki/der.ts";
import { loadKeyring } from "../seal/keyring.ts";
import { unseal } from "../seal/seal.ts";
import type { UsedGateway } from "./use-database.ts";
import { useDatabase } from "./use-database.ts";

/** One thing that was looked at. */
export interface Finding {
  name: string;
  status: "ok" | "warning" | "fault";
  /** What was found. */
  detail: string;
  /** What to do about it. */
  remedy?: string;
}

const DAY_MS = 86_400_000;
/** The clocks of gateway and database may differ by this much before certificates and tokens suffer, ms. */
const CLOCK_LEEWAY_MS = 5_000;

/** Looks at everything that a gateway stands on. A fault in one thing keeps the others from being looked at only if they need it. */
export async function examineGateway(directory: string): Promise<Finding[]> {
  const findings: Finding[] = [];
  const look = async (name: string, remedy: string, check: () => Promise<Omit<Finding, "name">>): Promise<boolean> => {
    try {
      findings.push({ name, ...(await check()) });
      return true;
    } catch (error) {
      const fault = asFederationError(error);
      const detail = fault.code === "INTERNAL" && fault.cause instanceof Error ? fault.cause.message : fault.message;
      findings.push({ name, status: "fault", detail, remedy });
      return false;
    }
  };

  const paths = gatewayPaths(directory);
  let config: Config | undefined;
  await look("configuration", `mosaic init --dir ${directory}`, async () => {
    config = loadConfig(paths);
    return Promise.resolve({ status: "ok", detail: `tier ${config.tier}, host ${config.host}` });
  });
  if (config === undefined) {
    return findings;
  }
  const { listeners, tier } = config;
  await look("sealing keys", `restore ${paths.sealKeys} from your backup`, async () => {
    const { current, keys } = loadKeyring(paths.sealKeys);
    return Promise.resolve({ status: "ok", detail: `${keys.size} in the keyring, version ${current} seals` });
  });
  for (const [name, { address, port }] of Object.entries(listeners)) {
    await look(`port ${port} (${name})`, `choose another under listeners.${name}.port`, () =>
      lookAtPort(address, port),
    );
  }
  const remedy =
    tier === "local"
      ? "stop what else uses this directory, then try again"
      : `check ${paths.adminDatabaseUrl} and that the database runs`;
  await look("database", remedy, () =>
    useDatabase(directory, async (gateway) => {
      const found = await lookAtDatabase(gateway, look);
      if (tier === "standalone") {
        await asAdministrator(readSecret(paths.gatewayDatabaseUrl), (client) => client.query("select 1"), "own");
      }
      return found;
    }),
  );
  return findings;
}

async function lookAtDatabase(
  gateway: UsedGateway,
  look: (name: string, remedy: string, check: () => Promise<Omit<Finding, "name">>) => Promise<boolean>,
): Promise<Omit<Finding, "name">> {
  const { adminUrl, keyring } = gateway;
  const { version, clock } = await asAdministrator(
    adminUrl,
    async (client) => {
      const { rows } = await client.query<{ version: string; clock: Date }>(
        "select current_setting('server_version') as version, clock_timestamp() as clock",
      );
      return rows[0] ?? { version: "?", clock: new Date(0) };
    },
    "own",
  );
  await look("clock", "synchronise the clocks of this machine and of the database's (NTP)", async () => {
    const skew = Math.abs(Date.now() - clock.getTime());
    if (skew > CLOCK_LEEWAY_MS) {
      throw new FederationError("CONFIG_INVALID", `gateway and database differ by ${Math.round(skew / 1000)} s`);
    }
    return Promise.resolve({ status: "ok", detail: "gateway and database agree" });
  });
  await look("migrations", "start the gateway: it migrates at every start", async () => {
    const current = await isUpToDate(adminUrl);
    return current
      ? { status: "ok", detail: "as of this release" }
      : { status: "warning", detail: "of another release", remedy: "start the gateway: it migrates at every start" };
  });
  await look("certificate authority", "restore the sealing keys that belong to this database", () =>
    asAdministrator(adminUrl, async (client) => {
      const { rows } = await client.query<{ id: string; certificate_der: Buffer; sealed_key: Buffer }>(
        "select id, certificate_der, sealed_key from federation.list_authorities() where retired_at is null",
      );
      const root = rows[0];
      if (root === undefined) {
        throw new FederationError("CONFIG_INVALID", "there is none yet");
      }
      unseal(keyring, root.sealed_key, root.id);
      return expiry(new Date(readX509(root.certificate_der, "CERTIFICATE_INVALID").validTo), "make a new gateway");
    }),
  );
  await look("peers' certificates", "mosaic federation peer add, with a new enrollment URL", () =>
    asAdministrator(adminUrl, async (client) => {
      const { rows } = await client.query<{ host: string; certificate_not_after: Date }>(
        "select host, certificate_not_after from federation.list_peers() where state <> 'revoked' order by certificate_not_after",
      );
      return rows[0] === undefined
        ? { status: "ok", detail: "no peer" }
        : expiry(rows[0].certificate_not_after, `ask ${rows[0].host} for a new enrollment URL`, `${rows[0].host}: `);
    }),
  );
  return { status: "ok", detail: `PostgreSQL ${version}` };
}

function expiry(notAfter: Date, remedy: string, prefix = ""): Omit<Finding, "name"> {
  const days = Math.floor((notAfter.getTime() - Date.now()) / DAY_MS);
  const detail = `${prefix}good until ${notAfter.toISOString().slice(0, 10)}, ${days} days`;
  if (days < 0) {
    return { status: "fault", detail: `${prefix}ended on ${notAfter.toISOString().slice(0, 10)}`, remedy };
  }
  return days < 7 ? { status: "warning", detail, remedy } : { status: "ok", detail };
}

async function lookAtPort(address: string, port: number): Promise<Omit<Finding, "name">> {
  const answered = await new Promise<boolean>((resolve) => {
    const socket = connect({ host: address, port, timeout: 2_000 });
    const end = (there: boolean) => () => {
      socket.destroy();
      resolve(there);
    };
    socket.once("connect", end(true)).once("error", end(false)).once("timeout", end(false));
  });
  return { status: "ok", detail: answered ? "something listens" : "free; the gateway is not running" };
}
