import type { Asked } from "./asked.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { readVerbRequest } from "../verbs/variables.ts";
import type { VerbVariables } from "../verbs/variables.ts";
import { decodeCursors, encodeCursors } from "./cursor.ts";
import { createLocalSource } from "./local-source.ts";
import { fuse } from "./fuse.ts";
import type { FusedHit } from "./fuse.ts";
import { mergeSorted } from "./merge.ts";
import { createPeerSource } from "./peer-source.ts";
import type { PeerAccess } from "./peer-source.ts";
import { peersOfUser } from "./peers-of-user.ts";
import type { Hit, HitPage, QuerySource, Row, RowPage } from "./query-source.ts";

/** How one source fared in a query of several. */
export interface SourceOutcome {
  source: string;
  status: "ok" | "error";
  rows: number;
  capped: boolean;
  error: { code: ErrorCode; message: string } | null;
}

/** Rows of one or more sources, each tagged `_source`. */
export interface FederatedPage {
  rows: Row[];
  /** Where to go on; null where every source is at its end. */
  nextCursor: string | null;
  /** Whether any source's cap cut what was asked for. */
  capped: boolean;
  sources: SourceOutcome[];
}

/** Hits of one or more sources in one list, best first. */
export interface FederatedHits {
  hits: FusedHit[];
  nextCursor: string | null;
  capped: boolean;
  sources: SourceOutcome[];
}

/** What one source can do, or why it does not say. */
export interface SourceCapabilities {
  source: string;
  capabilities: unknown;
  error: { code: ErrorCode; message: string } | null;
}

/** What one source said, as soon as it said it. */
export type SourceAnswer =
  { outcome: SourceOutcome; rows: Row[] } | { outcome: SourceOutcome; hits: (Hit & { _source: string })[] };

/**
 * Queries of local users over their own rows and those of their peers. `source` is `local`, `federated:<host>` or `all`. Asked of
 * one source, its refusal is thrown; asked of all, one that fails leaves its error beside the others' rows.
 *
 * `onAnswer` is told each source's answer as it comes; what is returned then holds them all once more.
 */
export interface HomeQueries {
  list(asked: Asked, source: string, variables: unknown, onAnswer?: OnAnswer): Promise<FederatedPage>;
  get(asked: Asked, source: string, variables: unknown, onAnswer?: OnAnswer): Promise<FederatedPage>;
  search(asked: Asked, source: string, variables: unknown, onAnswer?: OnAnswer): Promise<FederatedHits>;
  capabilities(asked: Asked, source: string): Promise<SourceCapabilities[]>;
}

type OnAnswer = (answer: SourceAnswer) => void;

/** @throws FederationError of each method: BAD_REQUEST, PEER_UNKNOWN, SUBJECT_UNKNOWN, or what the one source refused with */
export function createHomeQueries(access: PeerAccess): HomeQueries {
  const { sessions } = access;

  const sourcesOf = async (asked: Asked, selector: string): Promise<QuerySource[]> => {
    const local = createLocalSource(sessions, asked);
    if (selector === "local") {
      return [local];
    }
    if (selector !== "all" && !selector.startsWith("federated:")) {
      throw new FederationError("BAD_REQUEST", "A source is local, federated:<host> or all.");
    }
    const known = asked.peers ?? (await peersOfUser(sessions, asked.userId, asked.deadline));
    const peers = known.map((peer) => createPeerSource(peer, access, asked));
    if (selector === "all") {
      return [local, ...peers];
    }
    const chosen = peers.filter((peer) => peer.name === selector);
    if (chosen.length === 0) {
      throw new FederationError("PEER_UNKNOWN", "The user has no such peer.");
    }
    return chosen;
  };

  return {
    list: async (asked, selector, raw, onAnswer) => {
      const cursorOf = cursorReader(selector, raw);
      const checked = readVerbRequest({ documentId: "list", variables: withoutCursor(raw) });
      // The variables of `list`, by the document id above.
      const variables = checked.variables as VerbVariables["list"];
      const sources = (await sourcesOf(asked, selector)).filter((source) => cursorOf(source.name) !== "ended");
      const told = ({ source, value, error }: Answer<RowPage>): void =>
        onAnswer?.({ outcome: outcome(source, error, value?.rows.length, value?.capped), rows: value?.rows ?? [] });
      const answers = await askAll(
        asked,
        sources,
        selector,
        async (source) => {
          const page = await source.list({ ...variables, after: cursorOf(source.name) ?? null });
          return { ...page, rows: page.rows.map((row) => ({ ...row, _source: source.name })) };
        },
        told,
      );
      const pages = answers.flatMap(({ source, value }) => (value === undefined ? [] : [{ source, page: value }]));
      const lists = pages.map(({ page }) => page.rows);
      return {
        rows: variables.order == null ? lists.flat() : mergeSorted(lists, variables.order),
        nextCursor: nextCursorOf(selector, pages),
        capped: pages.some(({ page }) => page.capped),
        sources: answers.map(({ source, value, error }) => outcome(source, error, value?.rows.length, value?.capped)),
      };
    },
    get: async (asked, selector, raw, onAnswer) => {
      const checked = readVerbRequest({ documentId: "get", variables: raw });
      // The variables of `get`, by the document id above.
      const variables = checked.variables as VerbVariables["get"];
      // Of several sources, most do not have the row: that is an answer.
      const outcomeOf = ({ source, value, error }: Answer<Row>): SourceOutcome =>
        outcome(source, error?.code === "NOT_FOUND" ? undefined : error, value === undefined ? 0 : 1);
      const answers = await askAll(
        asked,
        await sourcesOf(asked, selector),
        selector,
        async (source) => ({ ...(await source.get(variables)), _source: source.name }),
        (answer) => onAnswer?.({ outcome: outcomeOf(answer), rows: answer.value === undefined ? [] : [answer.value] }),
      );
      return {
        rows: answers.flatMap(({ value }) => (value === undefined ? [] : [value])),
        nextCursor: null,
        capped: false,
        sources: answers.map(outcomeOf),
      };
    },
    search: async (asked, selector, raw, onAnswer) => {
      const cursorOf = cursorReader(selector, raw);
      const checked = readVerbRequest({ documentId: "search", variables: withoutCursor(raw) });
      // The variables of `search`, by the document id above.
      const variables = checked.variables as VerbVariables["search"];
      const sources = (await sourcesOf(asked, selector)).filter((source) => cursorOf(source.name) !== "ended");
      const told = ({ source, value, error }: Answer<HitPage>): void =>
        onAnswer?.({
          outcome: outcome(source, error, value?.hits.length, value?.capped),
          hits: (value?.hits ?? []).map((hit) => ({ ...hit, _source: source.name })),
        });
      const answers = await askAll(
        asked,
        sources,
        selector,
        (source) => source.search({ ...variables, after: cursorOf(source.name) ?? null }),
        told,
      );
      const pages = answers.flatMap(({ source, value }) => (value === undefined ? [] : [{ source, page: value }]));
      return {
        hits: fuse(pages.map(({ source, page }) => ({ source: source.name, hits: page.hits }))),
        nextCursor: nextCursorOf(selector, pages),
        capped: pages.some(({ page }) => page.capped),
        sources: answers.map(({ source, value, error }) => outcome(source, error, value?.hits.length, value?.capped)),
      };
    },
    capabilities: async (asked, selector) => {
      const answers = await askAll(asked, await sourcesOf(asked, selector), selector, (source) =>
        source.capabilities(),
      );
      return answers.map(({ source, value, error }) => ({
        source: source.name,
        capabilities: value ?? null,
        error: error === undefined ? null : { code: error.code, message: error.message },
      }));
    },
  };
}

interface Answer<T> {
  source: QuerySource;
  value?: T;
  error?: FederationError;
}

async function askAll<T>(
  asked: Asked,
  sources: QuerySource[],
  selector: string,
  ask: (source: QuerySource) => Promise<T>,
  onAnswer?: (answer: Answer<T>) => void,
): Promise<Answer<T>[]> {
  return Promise.all(
    sources.map(async (source): Promise<Answer<T>> => {
      let answer: Answer<T>;
      try {
        answer = { source, value: await ask(source) };
      } catch (error) {
        if (selector !== "all") {
          throw error;
        }
        const fault = asFederationError(error);
        asked.fault(fault);
        answer = { source, error: fault };
      }
      onAnswer?.(answer);
      return answer;
    }),
  );
}

function outcome(source: QuerySource, error: FederationError | undefined, rows = 0, capped = false): SourceOutcome {
  return {
    source: source.name,
    status: error === undefined ? "ok" : "error",
    rows,
    capped,
    error: error === undefined ? null : { code: error.code, message: error.message },
  };
}

function nextCursorOf(
  selector: string,
  pages: { source: QuerySource; page: { nextCursor: string | null } }[],
): string | null {
  if (selector !== "all") {
    return pages[0]?.page.nextCursor ?? null;
  }
  return encodeCursors(
    Object.fromEntries(
      pages.flatMap(({ source, page }) => (page.nextCursor === null ? [] : [[source.name, page.nextCursor]])),
    ),
  );
}

function withoutCursor(raw: unknown): unknown {
  return typeof raw === "object" && raw !== null ? { ...raw, after: null } : raw;
}

/** Where each source goes on: at a cursor, at the start (undefined), or not at all because it was at its end. */
function cursorReader(selector: string, raw: unknown): (source: string) => string | undefined {
  const after = typeof raw === "object" && raw !== null && "after" in raw ? raw.after : undefined;
  if (after === undefined || after === null) {
    return () => undefined;
  }
  if (typeof after !== "string") {
    throw new FederationError("BAD_REQUEST", 'The request is not well-formed at "variables.after".');
  }
  if (selector !== "all") {
    return () => after;
  }
  const cursors = decodeCursors(after);
  return (source) => (Object.hasOwn(cursors, source) ? cursors[source] : "ended");
}
