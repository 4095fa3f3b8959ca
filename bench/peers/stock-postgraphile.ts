import type { TLSSocket } from "node:tls";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { CONNECTIONS } from "../setting/work.ts";
import { createPeerServer, readSettings, serve } from "./serve.ts";

// PostGraphile as it comes, with its Amber preset, behind node:https. It sets role and settings and leaves the rest to the policies.
const settings = await readSettings();
const { work } = settings;
const grants = new Map(Object.values(work.grants).map((grant) => [grant.serial, grant]));

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({
      connectionString: work.gatewayUrl,
      schemas: ["work"],
      pubsub: false,
      poolConfig: { max: CONNECTIONS },
    }),
  ],
  grafserv: { graphqlPath: "/federation", graphiql: false, watch: false },
  grafast: {
    context: ({ node }) => {
      const serial = (node?.req.socket as TLSSocket | undefined)?.getPeerX509Certificate()?.serialNumber.toLowerCase();
      const grant = grants.get(serial ?? "");
      return {
        pgSettings: { role: "stock_reader", "stock.subject": grant?.subject, "stock.grant_id": grant?.grantId },
      };
    },
  },
});
const server = createPeerServer(settings);
await instance.createServ(grafserv).addTo(server);
serve(server, settings);
