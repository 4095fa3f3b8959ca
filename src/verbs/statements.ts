import type { Statement } from "../database/batch.ts";
import type { Verb } from "./documents.ts";
import type { VerbVariables } from "./variables.ts";

// Each calls the function that the verb's document calls (list, the one that it is made of, which has counted its rows): the JSON goes on as the
// text that Postgres wrote, with how many rows it holds.
const TEXTS: Record<Verb, string> = {
  capabilities: "select v.answer::text, 0 from federation_api.capabilities() as v (answer)",
  list: "select v.answer::text, v.row_count from federation.list_page($1, $2::jsonb, $3::jsonb, $4::integer, $5) as v",
  get: "select v.answer::text, 1 from federation_api.get($1, $2) as v (answer)",
  search: `select v.answer::text, jsonb_array_length(v.answer -> 'hits')
    from federation_api.search(
      $1, (select array_agg(e.item) from jsonb_array_elements_text($2::jsonb) as e (item)), $3::integer, $4, $5,
      (select array_agg(e.item::double precision order by e.n) from jsonb_array_elements_text($6::jsonb) with ordinality as e (item, n))
    ) as v (answer)`,
};

const VALUES: { [V in Verb]: (variables: VerbVariables[V]) => Statement["values"] } = {
  capabilities: () => [],
  list: ({ resource, filter, order, first, after }) => [
    resource,
    json(filter),
    json(order),
    text(first),
    after ?? null,
  ],
  get: ({ resource, id }) => [resource, id],
  search: ({ query, resources, first, after, mode, vector }) => [
    query,
    json(resources),
    text(first),
    after ?? null,
    mode ?? null,
    json(vector),
  ],
};

/** The statement that answers a verb: one row of its JSON as text and the number of rows in it. Values travel beside the text, never in it. */
export function statementOf<V extends Verb>({ verb, variables }: { verb: V; variables: VerbVariables[V] }): Statement {
  return { name: `verb_${verb}`, text: TEXTS[verb], values: VALUES[verb](variables) };
}

function json(value: unknown): string | null {
  return value === undefined || value === null ? null : JSON.stringify(value);
}

function text(value: number | null | undefined): string | null {
  return value === undefined || value === null ? null : String(value);
}
