import { asAdministrator } from "../../database/administrator.ts";
import { WARN_WITH_LEFT } from "../../revocation/lists.ts";
import { isLost } from "../../revocation/published.ts";
import { reconcileRevocations } from "../reconcile.ts";
import type { UsedGateway } from "../use-database.ts";
import type { Found } from "./findings.ts";

/** Looks at what is known of revoked certificates: whether the database has lost any, how old the list is, and whether gateways are told. */
export async function lookAtRevocations(gateway: UsedGateway): Promise<Found> {
  const lost = await reconcileRevocations(gateway, { change: false });
  if (isLost(lost)) {
    return {
      status: "red",
      detail: `the database has lost ${Math.max(lost.behind, lost.revoked.length)} revocations that were published, and no peer is served`,
      remedy: "mosaic federation reconcile --dry-run, then mosaic federation reconcile",
    };
  }
  const { list, deaf } = await asAdministrator(gateway.adminUrl, async (client) => {
    const lists = await client.query<{ next_update: Date; left: number }>(
      `select next_update, (extract(epoch from next_update - now()) / extract(epoch from next_update - this_update))::float8 as left
       from federation.published_crls() where signs order by next_update limit 1`,
    );
    const gateways = await client.query<{ name: string }>(
      `select g.name from jsonb_to_recordset(federation.status() -> 'gateways') as g (name text, listening boolean) where not g.listening`,
    );
    return { list: lists.rows[0], deaf: gateways.rows.map(({ name }) => name) };
  });
  if (deaf.length > 0) {
    return {
      status: "yellow",
      detail: `${deaf.join(", ")} is not told of changes: a revocation holds for each request, and ends connections late`,
      remedy: "look at the gateway's log: can it reach its database?",
    };
  }
  if (list === undefined) {
    return { status: "green", detail: "none was published yet; the gateway makes it when it starts" };
  }
  const until = list.next_update.toISOString();
  return list.left < WARN_WITH_LEFT
    ? {
        status: list.left < 0 ? "red" : "yellow",
        detail: `the list ${list.left < 0 ? "was" : "is"} good until ${until}, and is made anew each minute while a gateway or a worker runs`,
        remedy: "start the gateway, or look at its log: is the certificate authority away?",
      }
    : { status: "green", detail: `nothing is lost, and the list is good until ${until}` };
}
