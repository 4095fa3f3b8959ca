import { newRequest } from "../harness/renewal.ts";
import { idsOf } from "./employees.ts";
import type { Said } from "./wire.ts";

/** Everything that a peer can ask by its certificate: the four verbs, and the two steps of a renewal, which are answered by the same rules. */
export const VERBS = ["capabilities", "list", "get", "search", "renew", "renew.confirm"] as const;
export type Verb = (typeof VERBS)[number];

/** Each of them as it is to be said, by ada or for a row of hers. */
export function wellSaid(verb: Verb): Said {
  switch (verb) {
    case "capabilities":
      return { body: { documentId: verb } };
    case "list":
      return { body: { documentId: verb, variables: { resource: "tasks" } } };
    case "get":
      return { body: { documentId: verb, variables: { resource: "tasks", id: HERS } } };
    case "search":
      return { body: { documentId: verb, variables: { query: "plan" } } };
    case "renew":
      return { path: "/renew", body: { csr: newRequest().csr } };
    case "renew.confirm":
      return { path: "/renew/confirm" };
  }
}

/** A personal task of ada's. */
const HERS = idsOf("tasks", ({ owner, team }) => owner === "ada" && team === null)[0] ?? "";
/** A personal task of ben's, which is there and not hers to see. */
export const HIS = idsOf("tasks", ({ owner, team }) => owner === "ben" && team === null)[0] ?? "";
