import "./environment.ts";
import type { Pool } from "pg";
import { makeSchema } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import type { GraphQLSchema } from "postgraphile/graphql";
import { parse, validate } from "postgraphile/graphql";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import type { PeerSession, Sessions } from "../database/session.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import { VERB_DOCUMENTS } from "../verbs/documents.ts";
import { statementOf } from "../verbs/statements.ts";
import type { VerbRequest } from "../verbs/variables.ts";

/** What a verb answered. */
export interface VerbAnswer {
  /** The value of the verb's field, JSON as Postgres wrote it. */
  json: string;
  /** Rows or hits in it. */
  rowCount: number;
}

/** Runs verbs as a peer. */
export interface VerbExecutor {
  schema: GraphQLSchema;
  /** @throws FederationError of the verb, or the deadline's reason */
  execute(request: VerbRequest, session: PeerSession, deadline: Deadline): Promise<VerbAnswer>;
}

/**
 * The peer's GraphQL: PostGraphile over the schema `federation_api` and nothing else. The stored documents are all that can be said in it; each is
 * one call of one function, so what runs for it is that call's statement, which stays prepared.
 *
 * @param pool reads the catalogue when the schema is built
 * @param sessions where verbs run
 */
export async function createVerbExecutor(pool: Pool, sessions: Sessions): Promise<VerbExecutor> {
  const { schema } = await makeSchema({
    extends: [PostGraphileAmberPreset],
    pgServices: [makePgService({ pool, schemas: ["federation_api"], pubsub: false })],
  });
  for (const [verb, text] of Object.entries(VERB_DOCUMENTS)) {
    const faults = validate(schema, parse(text));
    if (faults.length > 0) {
      throw new Error(`the database does not serve the verb ${verb}: ${faults[0]?.message}`);
    }
  }
  return {
    schema,
    execute: async (request, session, deadline) => {
      const [row] = await sessions.queryAsPeer(session, statementOf(request), deadline);
      const [json, rowCount] = row ?? [];
      if (typeof json !== "string") {
        throw new FederationError("INTERNAL", "The request failed.");
      }
      return { json, rowCount: Number(rowCount) };
    },
  };
}
