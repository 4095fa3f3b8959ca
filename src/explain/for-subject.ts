import { z } from "zod";
import type { Sessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import type { Asked } from "../source/asked.ts";
import { readVerbRequest } from "../verbs/variables.ts";
import { explanationOf, visibleOf } from "./explanation.ts";
import type { Explanation, Visible } from "./explanation.ts";

const grantId = z.uuid();

/**
 * What a local user asks of the grants that speak for them. They learn of no row and no column that they may not see themselves.
 *
 * @throws FederationError of each method: NOT_FOUND for a grant of somebody else, BAD_REQUEST
 */
export interface OwnGrants {
  /** Why a peer is served a resource, one row of it or the rows of a filter, or is not. */
  explain(asked: Asked, question: ExplainQuestion): Promise<Explanation>;
  /** What a peer sees now, with so many rows of each resource. */
  visible(asked: Asked, question: { grant: string; samples?: number | null }): Promise<Visible>;
}

/** A question as it comes, unchecked. */
export interface ExplainQuestion {
  grant: string;
  resource: string;
  id?: string | null;
  filter?: unknown;
  most?: number | null;
}

/** Explanations for local users, over the sessions of the gateway. */
export function createOwnGrants(sessions: Sessions): OwnGrants {
  // As the gateway, since a user's own session is read-only: what is written here is taken back before the answer is given.
  const ask = <T>(asked: Asked, query: string, values: unknown[]): Promise<T> =>
    sessions.asGateway(async (client) => {
      const { rows } = await client.query<{ answer: T }>(query, [asked.userId, ...values]);
      const [row] = rows;
      if (row === undefined) {
        throw new FederationError("INTERNAL", "The database said nothing.");
      }
      return row.answer;
    }, asked.deadline);

  return {
    explain: async (asked, { grant, resource, id, filter, most }) => {
      // The same limits as for what a peer may write.
      readVerbRequest({ documentId: "list", variables: { resource, filter, first: most } });
      if (id != null) {
        readVerbRequest({ documentId: "get", variables: { resource, id } });
      }
      return explanationOf(
        await ask(asked, "select federation.explain_for_user($1, $2, $3, $4, $5, $6) as answer", [
          requireId(grant),
          resource,
          id ?? null,
          filter == null ? null : JSON.stringify(filter),
          most ?? 20,
        ]),
      );
    },
    visible: async (asked, { grant, samples }) =>
      visibleOf(
        await ask(asked, "select federation.visible_for_user($1, $2, $3) as answer", [requireId(grant), samples ?? 3]),
      ),
  };
}

function requireId(grant: string): string {
  const read = grantId.safeParse(grant);
  if (!read.success) {
    throw new FederationError("BAD_REQUEST", "A grant is named by its id, a UUID.");
  }
  return read.data;
}
