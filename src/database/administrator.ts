import { Client, DatabaseError } from "pg";
import { FederationError } from "../errors.ts";
import { BEGIN } from "./begin.ts";
import { fromDatabaseError } from "./errors.ts";

/**
 * Runs admin functions in one transaction: as `federation_admin`, or as the connection's own role where the function works on the
 * application's tables with the caller's rights (`register_resource`, `bind_identity`).
 *
 * @throws FederationError by the SQLSTATE that the function raised
 */
export async function asAdministrator<T>(
  connectionString: string,
  work: (client: Client) => Promise<T>,
  role: "federation_admin" | "own" = "federation_admin",
): Promise<T> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 10_000 });
  // A connection that breaks between two statements shows at the next one.
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query(BEGIN);
    if (role === "federation_admin") {
      await client.query("set local role federation_admin");
    }
    const result = await work(client);
    await client.query("commit");
    return result;
  } catch (error) {
    throw shownToAdministrator(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** A fault of what was asked for (a table that is not there, a value of another type) in the database's words, which an administrator may see. */
function shownToAdministrator(error: unknown): FederationError {
  const refusal = fromDatabaseError(error);
  if (error instanceof DatabaseError && refusal.code === "INTERNAL" && /^(22|42)/.test(error.code ?? "")) {
    return new FederationError("BAD_REQUEST", error.message, { cause: error });
  }
  return refusal;
}
