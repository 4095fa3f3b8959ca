import { GraphQLError } from "postgraphile/graphql";
import { fromDatabaseError } from "../database/errors.ts";
import type { FederationError } from "../errors.ts";

/**
 * A fault as a caller may see it: ours with its code, a fault of the request as it is, anything else without its text, which the log has.
 *
 * @param fault told of what is no fault of the request
 */
export function shownError(error: GraphQLError, fault: (error: FederationError) => void): GraphQLError {
  // A variable of another type is a GraphQLError within one.
  if (error.originalError == null || error.originalError instanceof GraphQLError) {
    return withCode(error, "BAD_REQUEST");
  }
  const ours = fromDatabaseError(error.originalError);
  fault(ours);
  const where = placeOf(ours);
  return withCode(
    new GraphQLError(ours.message, {
      ...(error.path === undefined ? {} : { path: error.path }),
      originalError: ours,
      ...(where === undefined ? {} : { extensions: { path: where } }),
    }),
    ours.code,
  );
}

/** Where in what was given the fault is, as the database says in the detail of its error: `{"path": "include_teams"}`. */
function placeOf(error: FederationError): string | undefined {
  const { detail } = (error.cause ?? {}) as { detail?: unknown };
  return typeof detail === "string" ? /^\{"path": "([\w.]{0,100})"\}$/.exec(detail)?.[1] : undefined;
}

/** The same error with a code of ours. */
export function withCode(error: GraphQLError, code: string): GraphQLError {
  return new GraphQLError(error.message, {
    ...(error.locations === undefined ? {} : { source: error.source ?? null, positions: error.positions ?? null }),
    path: error.path ?? null,
    originalError: error.originalError ?? null,
    extensions: { ...error.extensions, code },
  });
}
