import type { ClientBase } from "pg";
import { asAdministrator } from "../../database/administrator.ts";
import { isUpToDate } from "../../database/migrate.ts";
import { FederationError } from "../../errors.ts";
import type { UsedGateway } from "../use-database.ts";
import { lookAtAuthorities } from "./authorities.ts";
import type { Findings, Found } from "./findings.ts";
import { lookAtRevocations } from "./revocation.ts";

/** The clocks of gateway and database may differ by this much before certificates and tokens suffer, ms. */
const CLOCK_LEEWAY_MS = 5_000;
const MIGRATE = "start the gateway: it migrates at every start";
const REBIND = "as the owner of these tables, in psql: select federation.rebind_identity()";

/** Looks at what is in a database that answers. */
export async function lookAtDatabase(gateway: UsedGateway, { look }: Findings): Promise<Found> {
  const { config, adminUrl } = gateway;
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
  // Tier federated has looked at the clocks of all its services.
  if (config.tier !== "federated") {
    await look("clock", "synchronise the clocks of this machine and of the database's (NTP)", () =>
      Promise.resolve(compareClocks(clock)),
    );
  }
  const current = isUpToDate(adminUrl);
  await look("migrations", MIGRATE, async () =>
    (await current)
      ? { status: "green", detail: "as of this release" }
      : { status: "yellow", detail: "of another release", remedy: MIGRATE },
  );
  if (await current.catch(() => false)) {
    await look("users and memberships", REBIND, () => asAdministrator(adminUrl, lookAtIdentity));
  }
  await look("certificate authority", "restore the sealing keys that belong to this database", () =>
    asAdministrator(adminUrl, (client) => lookAtAuthorities(client, gateway)),
  );
  await look("revocations", "restore the gateway's directory from a backup", () => lookAtRevocations(gateway));
  return { status: "green", detail: `PostgreSQL ${version}` };
}

/** Whether grants end with their subject: by triggers on the tables that are bound, which are as an earlier release made them where it could not be helped. */
async function lookAtIdentity(client: ClientBase): Promise<Found> {
  const { rows } = await client.query<{ users: string; gaps: string[] }>(
    `select b.users_table::text as users,
       array(select distinct g.table_id::text from federation.identity_gaps() g order by 1) as gaps
     from federation.bound_identity() b`,
  );
  const [bound] = rows;
  if (bound === undefined) {
    return { status: "green", detail: "none are bound yet" };
  }
  return bound.gaps.length === 0
    ? { status: "green", detail: `users are in ${bound.users}, and grants end with them` }
    : {
        status: "yellow",
        detail: `grants may outlast their subjects: triggers are missing on ${bound.gaps.join(", ")}`,
        remedy: REBIND,
      };
}

function compareClocks(clock: Date): Found {
  const skew = Math.abs(Date.now() - clock.getTime());
  if (skew > CLOCK_LEEWAY_MS) {
    throw new FederationError("CONFIG_INVALID", `gateway and database differ by ${Math.round(skew / 1000)} s`);
  }
  return { status: "green", detail: "gateway and database agree" };
}
