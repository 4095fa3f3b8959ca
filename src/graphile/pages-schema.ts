import "./environment.ts";
import type { Pool } from "pg";
import { makeSchema } from "postgraphile";
import { makePgService } from "postgraphile/adaptors/pg";
import { context, execute, lambda, sideEffect } from "postgraphile/grafast";
import type { FieldArgs } from "postgraphile/grafast";
import type {
  DocumentNode,
  ExecutionResult,
  FragmentDefinitionNode,
  GraphQLSchema,
  SelectionSetNode,
} from "postgraphile/graphql";
import { getOperationAST, GraphQLError, Kind, OperationTypeNode, parse, validate } from "postgraphile/graphql";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { extendSchema } from "postgraphile/utils";
import type { FederationError } from "../errors.ts";
import type { AskPages, PagesCaller } from "../pages/ask.ts";
import { shownError, withCode } from "./shown-error.ts";
import { REPORT_TYPES } from "./pages-report-types.ts";
import { ROOT_TYPES } from "./pages-root-types.ts";
import { SHOWN_TYPES } from "./pages-shown-types.ts";

/** A GraphQL request of a browser that is signed in. */
export interface PagesRequest {
  query: string;
  variables: Record<string, unknown> | null | undefined;
  operationName: string | null | undefined;
  caller: PagesCaller;
  /** Told of what fails. */
  fault: (error: FederationError) => void;
}

/** Runs GraphQL as whoever is signed in. */
export interface PagesExecutor {
  (request: PagesRequest): Promise<ExecutionResult>;
  schema: GraphQLSchema;
}

/** The fields of Query and of Mutation that the types declare. */
function fieldsOf(document: DocumentNode, type: "Query" | "Mutation"): string[] {
  return document.definitions.flatMap((definition) =>
    definition.kind === Kind.OBJECT_TYPE_EXTENSION && definition.name.value === type
      ? (definition.fields ?? []).map((field) => field.name.value)
      : [],
  );
}

/** The most fields of Query or Mutation in a request: fields of a query run side by side, each on a connection. */
const MOST_FIELDS = 3;

/** How many fields a valid document asks for under a selection, counted up to one more than there may be. */
function countFields({ selections }: SelectionSetNode, fragments: ReadonlyMap<string, FragmentDefinitionNode>): number {
  let count = 0;
  for (const selection of selections) {
    if (count > MOST_FIELDS) {
      break;
    }
    if (selection.kind === Kind.FIELD) {
      count += 1;
    } else {
      const within = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments.get(selection.name.value);
      count += within === undefined ? 0 : countFields(within.selectionSet, fragments);
    }
  }
  return count;
}

/**
 * The GraphQL of the pages: PostGraphile over the schema `admin_api`, each field one of its functions. Nothing of the catalogue shows but what the
 * types say.
 *
 * @param pool reads the catalogue when the schema is built
 */
export async function createPagesExecutor(pool: Pool, ask: AskPages): Promise<PagesExecutor> {
  const typeDefs = parse(ROOT_TYPES + SHOWN_TYPES + REPORT_TYPES);
  const declared = parse(ROOT_TYPES);
  const callerOf = (value: unknown): PagesCaller => (value as { caller: PagesCaller }).caller;
  const read = (field: string) =>
    function plan(_root: unknown, args: FieldArgs) {
      return lambda([context(), args.getRaw()], ([caller, given]) =>
        ask(callerOf(caller), "query", field, (given ?? {}) as Record<string, unknown>),
      );
    };
  const change = (field: string) =>
    function plan(_root: unknown, args: FieldArgs) {
      return sideEffect([context(), args.getRaw()], ([caller, given]) =>
        ask(callerOf(caller), "mutation", field, (given ?? {}) as Record<string, unknown>),
      );
    };
  const { schema, resolvedPreset } = await makeSchema({
    extends: [PostGraphileAmberPreset],
    schema: { defaultBehavior: "-*" },
    plugins: [
      extendSchema({
        typeDefs,
        objects: {
          Query: { plans: Object.fromEntries(fieldsOf(declared, "Query").map((field) => [field, read(field)])) },
          Mutation: {
            plans: Object.fromEntries(fieldsOf(declared, "Mutation").map((field) => [field, change(field)])),
          },
        },
      }),
    ],
    pgServices: [makePgService({ pool, schemas: ["admin_api"], pubsub: false })],
  });

  const run = async ({ query, variables, operationName, caller, fault }: PagesRequest): Promise<ExecutionResult> => {
    let document: DocumentNode;
    try {
      document = parse(query, { maxTokens: 2_000 });
    } catch (error) {
      return { errors: [withCode(error as GraphQLError, "BAD_REQUEST")] };
    }
    const faults = validate(schema, document);
    if (faults.length > 0) {
      return { errors: faults.map((found) => withCode(found, "BAD_REQUEST")) };
    }
    const operation = getOperationAST(document, operationName);
    if (operation?.operation !== OperationTypeNode.QUERY && operation?.operation !== OperationTypeNode.MUTATION) {
      return { errors: [withCode(new GraphQLError("A request is one query or mutation."), "BAD_REQUEST")] };
    }
    const fragments = new Map(
      document.definitions.flatMap((definition) =>
        definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition] as const] : [],
      ),
    );
    if (countFields(operation.selectionSet, fragments) > MOST_FIELDS) {
      return {
        errors: [withCode(new GraphQLError(`A request asks for ${MOST_FIELDS} things at most.`), "BAD_REQUEST")],
      };
    }
    const result = await execute({
      schema,
      document,
      variableValues: variables ?? {},
      operationName: operationName ?? null,
      resolvedPreset,
      contextValue: { caller },
    });
    if (Symbol.asyncIterator in result) {
      return { errors: [withCode(new GraphQLError("A request is one query or mutation."), "BAD_REQUEST")] };
    }
    return result.errors === undefined
      ? result
      : { ...result, errors: result.errors.map((error) => shownError(error, fault)) };
  };
  return Object.assign(run, { schema });
}
