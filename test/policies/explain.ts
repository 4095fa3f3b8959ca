import type { PoolClient } from "pg";
import type { Explanation, Visible } from "../../src/explain/explanation.ts";
import { asRole } from "./actors.ts";
import type { Scope } from "./actors.ts";
import { only } from "./verbs.ts";

/** What the database says: SQLSTATEs where programs show codes. */
type Said<T> = Omit<T, "code"> & { refused: string | null };

/** Arguments of `federation.explain` beside grant and resource. */
interface Question {
  id?: string;
  filter?: unknown;
  most?: number;
}

const values = ({ id, filter, most }: Question): unknown[] => [
  id ?? null,
  filter === undefined ? null : JSON.stringify(filter),
  most ?? 20,
];

/** Explains as an administrator who has no right on any table, or as another role. */
export async function explain(
  client: PoolClient,
  grantId: string,
  resource: string,
  question: Question = {},
  role = "federation_admin",
): Promise<Said<Explanation>> {
  return asRole(client, role, async () => {
    const { rows } = await client.query<{ said: Said<Explanation> }>(
      "select federation.explain($1, $2, $3, $4, $5) as said",
      [grantId, resource, ...values(question)],
    );
    return only(rows).said;
  });
}

/** Explains as the gateway does for a local user. */
export async function explainFor(
  client: PoolClient,
  userId: string,
  grantId: string,
  resource: string,
  question: Question = {},
): Promise<Said<Explanation>> {
  return asRole(client, "federation_gateway", async () => {
    const { rows } = await client.query<{ said: Said<Explanation> }>(
      "select federation.explain_for_user($1, $2, $3, $4, $5, $6) as said",
      [userId, grantId, resource, ...values(question)],
    );
    return only(rows).said;
  });
}

/** What a peer can see, as an administrator is told. */
export async function visibleTo(
  client: PoolClient,
  grantId: string,
  { scope, samples = 3 }: { scope?: Scope | undefined; samples?: number } = {},
): Promise<Said<Visible>> {
  return asRole(client, "federation_admin", async () => {
    const { rows } = await client.query<{ said: Said<Visible> }>("select federation.visible($1, $2, $3) as said", [
      grantId,
      scope === undefined ? null : JSON.stringify(scope),
      samples,
    ]);
    return only(rows).said;
  });
}
