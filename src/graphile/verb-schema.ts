import "./environment.ts";
import { makeSchema } from "postgraphile";
import type { GraphQLSchema } from "postgraphile/graphql";
import { parse, validate } from "postgraphile/graphql";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import type { PeerSession, Sessions } from "../database/session.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import { VERB_DOCUMENTS } from "../verbs/documents.ts";
import type { Verb } from "../verbs/documents.ts";
import type { VerbRequest } from "../verbs/variables.ts";
import type { Catalogue } from "./catalogue.ts";
import { planVerb } from "./verb-plan.ts";
import type { VerbPlan } from "./verb-plan.ts";

/** Runs a verb as a peer; the value is the JSON that the verb's SQL function returned, as text. */
export interface VerbExecutor {
  schema: GraphQLSchema;
  /** @throws FederationError of the verb, or the deadline's reason */
  execute(request: VerbRequest, session: PeerSession, deadline: Deadline): Promise<string>;
}

/**
 * The peer's GraphQL: PostGraphile over the schema `federation_api` and nothing else, with the stored documents parsed, validated and
 * planned once.
 *
 * @param catalogue read when the schema is built
 * @param sessions where verbs run
 * @param options.keepsStatements whether their statements are prepared by name
 */
export async function createVerbExecutor(
  catalogue: Catalogue,
  sessions: Sessions,
  options: { keepsStatements: boolean },
): Promise<VerbExecutor> {
  const { schema, resolvedPreset } = await makeSchema({
    extends: [PostGraphileAmberPreset],
    pgServices: [catalogue("federation_api")],
  });
  const plans = new Map<Verb, VerbPlan>();
  for (const [verb, text] of Object.entries(VERB_DOCUMENTS)) {
    const document = parse(text);
    const faults = validate(schema, document);
    if (faults.length > 0) {
      throw new Error(`the database does not serve the verb ${verb}: ${faults[0]?.message}`);
    }
    plans.set(verb as Verb, await planVerb(verb, document, schema, resolvedPreset, options));
  }
  return {
    schema,
    execute: async ({ verb, variables }, session, deadline) => {
      const plan = plans.get(verb);
      if (plan === undefined) {
        throw new FederationError("BAD_REQUEST", "The document id is unknown.");
      }
      const { rows } = await sessions.asPeer<[string | null]>(session, plan.statementOf(variables), deadline);
      return rows[0]?.[0] ?? "null";
    },
  };
}
