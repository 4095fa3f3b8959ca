import { initGraphQLTada } from "gql.tada";
import type { introspection } from "./introspection.d.ts";

/** Makes an operation of docs/reference/pages.graphql, with the types of its variables and of its answer. */
export const graphql = initGraphQLTada<{
  introspection: introspection;
  disableMasking: true;
  scalars: { JSON: unknown };
}>();
