import "../../src/graphile/environment.ts";
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import type { TLSSocket } from "node:tls";
import { postgraphile } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { grafserv } from "postgraphile/grafserv/node";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { sayReady } from "./ready.ts";
import { readSetup } from "./setup.ts";
import { READER } from "./statements.ts";

// What a user would pick instead: PostGraphile as it comes, over the application's schema, with the same policies, on node:https with client certificates.
//   node bench/peers/stock-postgraphile.ts <setup file>
const setup = readSetup(process.argv[2]);

const instance = postgraphile({
  extends: [PostGraphileAmberPreset],
  pgServices: [
    makePgService({
      connectionString: setup.databaseUrl,
      schemas: ["app"],
      poolConfig: { max: setup.databaseConnections },
      pubsub: false,
    }),
  ],
  grafserv: { watch: false, graphiql: false, graphqlPath: "/graphql" },
  grafast: {
    context: ({ node }) => {
      const name = (node?.req.socket as TLSSocket | undefined)?.getPeerCertificate().subject.CN as string;
      const grant = setup.grants[name];
      if (grant === undefined) {
        throw new Error("the certificate is of nobody who is known");
      }
      return {
        pgSettings: { role: READER, "app.user_id": grant.subject, "bench.teams": grant.teams.join(",") },
      };
    },
  },
});
const server = createServer({
  key: readFileSync(setup.serverKeyFile),
  cert: readFileSync(setup.serverCertFile),
  ca: readFileSync(setup.caFile),
  requestCert: true,
  minVersion: "TLSv1.3",
  keepAliveTimeout: 60_000,
});
await instance.createServ(grafserv).addTo(server);
sayReady(server, setup.port);
