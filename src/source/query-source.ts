import type { VerbVariables } from "../verbs/variables.ts";

/** A row as JSON; which columns it has is for its resource to say. */
export type Row = Record<string, unknown>;

/** One page of rows of one source. */
export interface RowPage {
  rows: Row[];
  nextCursor: string | null;
  /** Whether the source gave fewer rows than were asked for because its cap says so. */
  capped: boolean;
}

/** A row that a search found. */
export interface Hit {
  resource: string;
  id: string;
  /** How well it matches, by its source's own measure: comparable within one answer only. */
  rank: number;
  /** Where it matches: the parts of one text column, in order. */
  snippet: { column: string; parts: { text: string; match: boolean }[] } | null;
  row: Row;
}

/** One page of hits of one source, best first. */
export interface HitPage {
  hits: Hit[];
  nextCursor: string | null;
  capped: boolean;
}

/** Somewhere that rows of one local user come from: the own database, or a remote gateway under a grant. */
export interface QuerySource {
  /** `local` or `federated:<host>`; what `_source` of its rows says. */
  name: string;
  list(variables: VerbVariables["list"]): Promise<RowPage>;
  get(variables: VerbVariables["get"]): Promise<Row>;
  search(variables: VerbVariables["search"]): Promise<HitPage>;
  capabilities(): Promise<unknown>;
}
