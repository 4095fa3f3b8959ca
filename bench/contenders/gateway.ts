import type { Stage } from "../stage.ts";
import type { HttpContender } from "./contender.ts";
import { overHttp } from "./over-http.ts";
import { verbBodies, verbRows } from "./verbs.ts";

/** The gateway as users run it. */
export function gatewayContender(stage: Stage): HttpContender {
  return overHttp(stage, {
    name: "gateway",
    target: async (question) => {
      const { federationUrl } = await stage.gateway(question.rows);
      const { tls } = await stage.grant(question.rows, question.teams);
      return { origin: federationUrl, path: "/federation", tls, bodies: await verbBodies(stage, question) };
    },
    rowsOf: verbRows,
  });
}
