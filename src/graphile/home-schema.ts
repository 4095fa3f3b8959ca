import "./environment.ts";
import { LRUCache } from "lru-cache";
import { makeSchema } from "postgraphile";
import { context, execute, lambda } from "postgraphile/grafast";
import type { FieldArgs } from "postgraphile/grafast";
import type { DocumentNode, ExecutionResult, GraphQLSchema } from "postgraphile/graphql";
import { getOperationAST, GraphQLError, OperationTypeNode, parse, validate } from "postgraphile/graphql";
import { PostGraphileAmberPreset } from "postgraphile/presets/amber";
import { extendSchema, gql } from "postgraphile/utils";
import type { Sessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import type { Asked } from "../source/asked.ts";
import type { HomeQueries } from "../source/home-queries.ts";
import { createOwnGrants } from "../explain/for-subject.ts";
import type { Catalogue } from "./catalogue.ts";
import { ownGrantsPlugin } from "./own-grants.ts";
import { pgClientOf } from "./pg-client.ts";
import { shownError, withCode } from "./shown-error.ts";

/** A GraphQL request of a local user. */
export interface HomeRequest {
  query: string;
  variables: Record<string, unknown> | null | undefined;
  operationName: string | null | undefined;
  asked: Asked;
}

/** Runs GraphQL as a local user; what failed is in `errors` with its code, beside what did not. */
export interface HomeExecutor {
  (request: HomeRequest): Promise<ExecutionResult>;
  schema: GraphQLSchema;
}

/** How much text of documents is kept with what was made of it, characters. */
const KEPT_DOCUMENTS = 250_000;

const typeDefs = gql`
  extend type Query {
    """
    Rows of a resource that the user may see. \`source\` is \`local\`, \`federated:<host>\` or \`all\`; every row says in
    \`_source\` where it is from. \`first\` counts rows of each source. With \`order\`, the rows of all sources are merged.
    """
    list(
      resource: String!
      source: String! = "local"
      filter: JSON
      order: JSON
      first: Int
      after: String
    ): FederatedPage!
    "The row with this key, from each of the sources that has one."
    get(resource: String!, id: String!, source: String! = "local"): FederatedPage!
    """
    Rows that hold the words of \`query\` (as in web searches: \`"a phrase"\`, \`or\`, \`-not\`), best first, of all sources in one list.
    Where no row holds them, those with words that begin so, else those with words like them. \`first\` counts hits of each source.
    \`mode: "hybrid"\` ranks by the nearness of embeddings to \`vector\`, too.
    """
    search(
      query: String!
      resources: [String!]
      source: String! = "local"
      first: Int
      after: String
      mode: String
      vector: [Float!]
    ): FederatedHits!
    "What each source can do."
    capabilities(source: String! = "local"): [SourceCapabilities!]!
  }
  type FederatedPage {
    rows: [JSON!]!
    nextCursor: String
    "Whether the cap of a source cut what was asked for."
    capped: Boolean!
    sources: [SourceOutcome!]!
  }
  type FederatedHits {
    "Each with _source, resource, id, snippet and row; score orders them, rank is the source's own."
    hits: [JSON!]!
    nextCursor: String
    capped: Boolean!
    sources: [SourceOutcome!]!
  }
  type SourceOutcome {
    source: String!
    "ok or error"
    status: String!
    rows: Int!
    capped: Boolean!
    error: SourceError
  }
  type SourceError {
    code: String!
    message: String!
  }
  type SourceCapabilities {
    source: String!
    capabilities: JSON
    error: SourceError
  }
`;

/**
 * The GraphQL of local users: PostGraphile over the schema `home_api`, the queries over sources and the explanations of grants beside it.
 *
 * @param catalogue read when the schema is built
 */
export async function createHomeExecutor(
  catalogue: Catalogue,
  sessions: Sessions,
  queries: HomeQueries,
): Promise<HomeExecutor> {
  const askedBy = (ask: (asked: Asked, source: string, args: Record<string, unknown>) => Promise<unknown>) =>
    function plan(_root: unknown, args: FieldArgs) {
      return lambda([context(), args.getRaw()], ([caller, given]) => {
        // By contextValue below and by typeDefs above.
        const { asked } = caller as unknown as { asked: Asked };
        const { source, ...rest } = given as { source: string } & Record<string, unknown>;
        return ask(asked, source, rest);
      });
    };
  const { schema, resolvedPreset } = await makeSchema({
    extends: [PostGraphileAmberPreset],
    plugins: [
      extendSchema({
        typeDefs,
        objects: {
          Query: {
            plans: {
              list: askedBy((asked, source, args) => queries.list(asked, source, args)),
              get: askedBy((asked, source, args) => queries.get(asked, source, args)),
              search: askedBy((asked, source, args) => queries.search(asked, source, args)),
              capabilities: askedBy((asked, source) => queries.capabilities(asked, source)),
            },
          },
        },
      }),
      ownGrantsPlugin(createOwnGrants(sessions)),
    ],
    pgServices: [catalogue("home_api")],
  });

  // Grafast keeps what it planned with the document: a text that comes again is neither parsed nor planned again.
  const documents = new LRUCache<string, DocumentNode>({
    maxSize: KEPT_DOCUMENTS,
    sizeCalculation: (_document, text) => text.length + 1,
  });
  const documentOf = (query: string): DocumentNode | readonly GraphQLError[] => {
    const known = documents.get(query);
    if (known !== undefined) {
      return known;
    }
    let document: DocumentNode;
    try {
      document = parse(query, { maxTokens: 2_000 });
    } catch (error) {
      return [error as GraphQLError];
    }
    const faults = validate(schema, document);
    if (faults.length > 0) {
      return faults;
    }
    documents.set(query, document);
    return document;
  };

  const run = async ({ query, variables, operationName, asked }: HomeRequest): Promise<ExecutionResult> => {
    const document = documentOf(query);
    if (!("kind" in document)) {
      return { errors: document.map((fault) => withCode(fault, "BAD_REQUEST")) };
    }
    // Local users only read here, and one request is one answer.
    if (getOperationAST(document, operationName)?.operation !== OperationTypeNode.QUERY) {
      return { errors: [withCode(new GraphQLError("A request is one query."), "BAD_REQUEST")] };
    }
    const result = await execute({
      schema,
      document,
      variableValues: variables ?? {},
      operationName: operationName ?? null,
      resolvedPreset,
      contextValue: {
        asked,
        pgSettings: {},
        withPgClient: <T>(_settings: unknown, work: (client: ReturnType<typeof pgClientOf>) => T | Promise<T>) =>
          Promise.resolve(work(pgClientOf((statement) => sessions.asUser(asked.userId, statement, asked.deadline)))),
      },
    });
    if (Symbol.asyncIterator in result) {
      throw new FederationError("BAD_REQUEST", "A request is one query.");
    }
    return {
      ...result,
      ...(result.errors === undefined ? {} : { errors: result.errors.map((error) => shownError(error, asked.fault)) }),
      ...(asked.signals.length === 0 ? {} : { extensions: { ...result.extensions, signals: asked.signals } }),
    };
  };
  return Object.assign(run, { schema });
}
