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
  return withCode(
    new GraphQLError(ours.message, { ...(error.path === undefined ? {} : { path: error.path }), originalError: ours }),
    ours.code,
  );
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
