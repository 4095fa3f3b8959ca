/**
 * All that a peer can say: stored GraphQL documents, one a verb. A request names a document and never brings one, so there is
 * no introspection, no alias and no batch.
 */
export const VERB_DOCUMENTS = {
  capabilities: "query capabilities { capabilities }",
  list: `query list($resource: String!, $filter: JSON, $order: JSON, $first: Int, $after: String) {
    list(resource: $resource, filter: $filter, order: $order, first: $first, after: $after)
  }`,
  get: "query get($resource: String!, $id: String!) { get(resource: $resource, id: $id) }",
  search: `query search($query: String!, $resources: [String], $first: Int, $after: String, $mode: String, $vector: [Float]) {
    search(query: $query, resources: $resources, first: $first, after: $after, mode: $mode, vector: $vector)
  }`,
} as const;

/** The name of a verb: document id on the wire, function in `federation_api`. */
export type Verb = keyof typeof VERB_DOCUMENTS;
