import { z } from "zod";
import { FederationError } from "../errors.ts";
import type { Verb } from "./documents.ts";

// Postgres text holds neither NUL nor half a surrogate pair (PostgreSQL documentation §8.14.1).
const textOf = (length: number): z.ZodType<string> =>
  z
    .string()
    .max(length)
    .refine((value) => value.isWellFormed() && !value.includes("\0"), { error: "not text that a database can hold" });
const text = textOf(4096);

const scalar = z.union([text, z.number(), z.boolean()]);

const filter = z.record(text, z.record(text, z.union([scalar, z.array(scalar).max(200)])));

const order = z.array(z.strictObject({ column: text, direction: z.enum(["asc", "desc"]).optional() })).max(4);

const VARIABLES = {
  capabilities: z.strictObject({}),
  list: z.strictObject({
    resource: text,
    filter: filter.nullish(),
    order: order.nullish(),
    first: z.int().min(1).max(2_147_483_647).nullish(),
    after: textOf(8192).nullish(),
  }),
  get: z.strictObject({ resource: text, id: text }),
  search: z.strictObject({
    query: textOf(256),
    resources: z.array(text).min(1).max(50).nullish(),
    first: z.int().min(1).max(2_147_483_647).nullish(),
    after: textOf(8192).nullish(),
    mode: z.enum(["keyword", "hybrid"]).nullish(),
    vector: z.array(z.number()).min(1).max(2_000).nullish(),
  }),
} as const satisfies Record<Verb, z.ZodType>;

/** The variables of each verb. */
export type VerbVariables = { [V in Verb]: z.output<(typeof VARIABLES)[V]> };

/** A request that is well-formed; whether it is allowed is for the database to say. */
export interface VerbRequest {
  verb: Verb;
  variables: VerbVariables[Verb];
}

const requestBody = z.strictObject({
  documentId: z.enum(["capabilities", "list", "get", "search"] satisfies Verb[]),
  variables: z.record(z.string(), z.unknown()).default({}),
});

/**
 * Reads a request's body.
 *
 * @param body parsed JSON
 * @throws FederationError BAD_REQUEST that names the path and never repeats the value
 */
export function readVerbRequest(body: unknown): VerbRequest {
  const request = requestBody.safeParse(body);
  if (!request.success) {
    throw badRequest(request.error);
  }
  const variables = VARIABLES[request.data.documentId].safeParse(request.data.variables);
  if (!variables.success) {
    throw badRequest(variables.error, "variables");
  }
  return { verb: request.data.documentId, variables: variables.data };
}

function badRequest(error: z.ZodError, prefix?: string): FederationError {
  const issue = error.issues[0];
  // A key that the caller made up is the caller's text: it goes no further than its place.
  const path = [...(prefix === undefined ? [] : [prefix]), ...(issue?.path ?? [])].slice(0, 2).map(String).join(".");
  const known = /^(documentId|variables(\.(resource|filter|order|first|after|id|query|resources|mode|vector))?)$/.test(
    path,
  );
  return new FederationError("BAD_REQUEST", `The request is not well-formed${known ? ` at "${path}"` : ""}.`);
}
