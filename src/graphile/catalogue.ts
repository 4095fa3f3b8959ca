import "./environment.ts";
import type { Pool, QueryResult, QueryResultRow } from "pg";
import type { WithPgClient } from "postgraphile/@dataplan/pg";
import { makePgService } from "postgraphile/adaptors/pg";
import type { NodePostgresPgClient } from "postgraphile/adaptors/pg";
import type { Statement } from "../database/round-trip.ts";
import { pgClientOf } from "./pg-client.ts";

/** PostGraphile's view of one schema of a database, for building its GraphQL. Requests run in sessions, not by this. */
export type Catalogue = (schema: string) => GraphileConfig.PgServiceConfiguration;

/**
 * The catalogue of a database, for schemas that are built at the same time: what PostGraphile asks of it takes an embedded database longer than
 * is needed for all that is made of the answer, and is the same for every schema. Once it is read, nothing of it is kept.
 */
export function createCatalogue(pool: Pool): Catalogue {
  const asking = new Map<string, Promise<QueryResult>>();
  const client = pgClientOf(<R extends QueryResultRow>({ text }: Statement) => {
    const asked = asking.get(text) ?? pool.query(text).finally(() => asking.delete(text));
    asking.set(text, asked);
    // By the same text, which decides what a row is.
    return asked as Promise<QueryResult<R>>;
  });
  // The type of pg's own adaptor has the bare client as well, which is there for whoever sends something else by it.
  const createWithPgClient = (): WithPgClient<NodePostgresPgClient> => (_settings, work) =>
    Promise.resolve(work(client as NodePostgresPgClient));
  return (schema) => ({
    ...makePgService({ pool, schemas: [schema], pubsub: false }),
    adaptor: { createWithPgClient, makePgService },
  });
}
