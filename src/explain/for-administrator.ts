import type { Client } from "pg";
import { asAdministrator } from "../database/administrator.ts";
import { FederationError } from "../errors.ts";
import { explanationOf, visibleOf } from "./explanation.ts";
import type { Explanation, Visible } from "./explanation.ts";

/** What one explanation may take, ms. */
const MOST_MS = 30_000;

/**
 * Why a peer is served a resource, one row of it or the rows of a filter, or is not. Runs as the connection's own role, so that an
 * administrator whose login can read the table learns of rows that the subject cannot see, too.
 *
 * @param question.most how many rows of a filter, 1 to 100
 * @throws FederationError NOT_FOUND, BAD_REQUEST, DEADLINE_EXCEEDED
 */
export async function explainToAdministrator(
  adminUrl: string,
  question: { grantId: string; resource: string; id?: string | undefined; filter?: unknown; most: number },
): Promise<Explanation> {
  const { grantId, resource, id, filter, most } = question;
  return explanationOf(
    await ask(adminUrl, "select federation.explain($1, $2, $3, $4, $5) as answer", [
      grantId,
      resource,
      id ?? null,
      filter === undefined ? null : JSON.stringify(filter),
      most,
    ]),
  );
}

/**
 * What a peer sees now, or would see under another scope.
 *
 * @param question.samples rows of each resource to show, 0 to 20
 * @throws FederationError NOT_FOUND, BAD_REQUEST, SCOPE_INVALID, DEADLINE_EXCEEDED
 */
export async function visibleToAdministrator(
  adminUrl: string,
  question: { grantId: string; scope?: unknown; samples: number },
): Promise<Visible> {
  const { grantId, scope, samples } = question;
  return visibleOf(
    await ask(adminUrl, "select federation.visible($1, $2, $3) as answer", [
      grantId,
      scope === undefined ? null : JSON.stringify(scope),
      samples,
    ]),
  );
}

async function ask<T>(adminUrl: string, query: string, values: unknown[]): Promise<T> {
  try {
    return await asAdministrator(
      adminUrl,
      async (client: Client) => {
        await client.query(`set local statement_timeout = ${MOST_MS}`);
        const { rows } = await client.query<{ answer: T }>(query, values);
        const [row] = rows;
        if (row === undefined) {
          throw new FederationError("INTERNAL", "The database said nothing.");
        }
        return row.answer;
      },
      "own",
    );
  } catch (error) {
    const { cause } = error as { cause?: { code?: string } };
    // PostgreSQL documentation, appendix A: query_canceled.
    if (cause?.code === "57014") {
      throw new FederationError("DEADLINE_EXCEEDED", `it took longer than ${MOST_MS / 1_000} seconds`, {
        cause: error,
      });
    }
    throw error;
  }
}
