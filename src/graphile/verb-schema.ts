import "./environment.ts";
import type { Pool } from "pg";
import { makeSchema } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { execute } from "postgraphile/grafast";
import type { GraphQLSchema } from "postgraphile/graphql";
import { parse, validate } from "postgraphile/graphql";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { fromDatabaseError } from "../database/errors.ts";
import type { PeerSession, Sessions } from "../database/session.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import { VERB_DOCUMENTS } from "../verbs/documents.ts";
import type { Verb } from "../verbs/documents.ts";
import type { VerbRequest } from "../verbs/variables.ts";
import { pgClientOf } from "./pg-client.ts";

/** Runs a verb as a peer; the value is the JSON that the verb's SQL function returned. */
export interface VerbExecutor {
  schema: GraphQLSchema;
  /** @throws FederationError of the verb, or the deadline's reason */
  execute(request: VerbRequest, session: PeerSession, deadline: Deadline): Promise<unknown>;
}

/**
 * The peer's GraphQL: PostGraphile over the schema `federation_api` and nothing else, with the stored documents parsed and
 * validated once.
 *
 * @param pool reads the catalogue when the schema is built
 * @param sessions where verbs run
 * @param options.keepsStatements whether their statements are prepared by name
 */
export async function createVerbExecutor(
  pool: Pool,
  sessions: Sessions,
  options: { keepsStatements: boolean },
): Promise<VerbExecutor> {
  const { schema, resolvedPreset } = await makeSchema({
    extends: [PostGraphileAmberPreset],
    pgServices: [makePgService({ pool, schemas: ["federation_api"], pubsub: false })],
  });
  const documents = new Map(
    Object.entries(VERB_DOCUMENTS).map(([verb, text]) => {
      const document = parse(text);
      const faults = validate(schema, document);
      if (faults.length > 0) {
        throw new Error(`the database does not serve the verb ${verb}: ${faults[0]?.message}`);
      }
      return [verb as Verb, document] as const;
    }),
  );
  return {
    schema,
    execute: async ({ verb, variables }, session, deadline) => {
      const document = documents.get(verb);
      if (document === undefined) {
        throw new FederationError("BAD_REQUEST", "The document id is unknown.");
      }
      const result = await execute({
        schema,
        document,
        variableValues: variables,
        resolvedPreset,
        contextValue: {
          pgSettings: {},
          withPgClient: <T>(_settings: unknown, work: (client: ReturnType<typeof pgClientOf>) => T | Promise<T>) =>
            Promise.resolve(work(pgClientOf((statement) => sessions.asPeer(session, statement, deadline), options))),
        },
      });
      if (Symbol.asyncIterator in result) {
        throw new FederationError("INTERNAL", "The request failed.");
      }
      const error = result.errors?.[0];
      if (error !== undefined) {
        throw fromDatabaseError(error.originalError ?? error);
      }
      return result.data?.[verb];
    },
  };
}
