import type { PeerConnections } from "../client/peer-connections.ts";
import type { Sessions } from "../database/session.ts";
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
import { peersOfUser } from "./peers-of-user.ts";
import type { QuerySource, Row } from "./query-source.ts";

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

/**
 * Queries of local users over their own rows and those of their peers. `source` is `local`, `federated:<host>` or `all`. Asked of
 * one source, its refusal is thrown; asked of all, one that fails leaves its error beside the others' rows.
 */
export interface HomeQueries {
  list(userId: string, source: string, variables: unknown): Promise<FederatedPage>;
  get(userId: string, source: string, variables: unknown): Promise<FederatedPage>;
  search(userId: string, source: string, variables: unknown): Promise<FederatedHits>;
  capabilities(userId: string, source: string): Promise<SourceCapabilities[]>;
}

/** @throws FederationError of each method: BAD_REQUEST, PEER_UNKNOWN, SUBJECT_UNKNOWN, or what the one source refused with */
export function createHomeQueries(options: { sessions: Sessions; connections: PeerConnections }): HomeQueries {
  const { sessions, connections } = options;

  const sourcesOf = async (userId: string, selector: string): Promise<QuerySource[]> => {
    const local = createLocalSource(sessions, userId);
    if (selector === "local") {
      return [local];
    }
    if (selector !== "all" && !selector.startsWith("federated:")) {
      throw new FederationError("BAD_REQUEST", "A source is local, federated:<host> or all.");
    }
    const peers = (await peersOfUser(sessions, userId)).map((peer) => createPeerSource(peer, connections, sessions));
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
    list: async (userId, selector, raw) => {
      const cursorOf = cursorReader(selector, raw);
      const sources = (await sourcesOf(userId, selector)).filter((source) => cursorOf(source.name) !== "ended");
      const checked = readVerbRequest({ documentId: "list", variables: withoutCursor(raw) });
      // The variables of `list`, by the document id above.
      const variables = checked.variables as VerbVariables["list"];
      const answers = await askAll(sources, selector, async (source) => {
        const page = await source.list({ ...variables, after: cursorOf(source.name) ?? null });
        return { ...page, rows: page.rows.map((row) => ({ ...row, _source: source.name })) };
      });
      const pages = answers.flatMap(({ source, value }) => (value === undefined ? [] : [{ source, page: value }]));
      const lists = pages.map(({ page }) => page.rows);
      return {
        rows: variables.order == null ? lists.flat() : mergeSorted(lists, variables.order),
        nextCursor: nextCursorOf(selector, pages),
        capped: pages.some(({ page }) => page.capped),
        sources: answers.map(({ source, value, error }) => outcome(source, error, value?.rows.length, value?.capped)),
      };
    },
    get: async (userId, selector, raw) => {
      const checked = readVerbRequest({ documentId: "get", variables: raw });
      // The variables of `get`, by the document id above.
      const variables = checked.variables as VerbVariables["get"];
      const answers = await askAll(await sourcesOf(userId, selector), selector, async (source) => ({
        ...(await source.get(variables)),
        _source: source.name,
      }));
      return {
        rows: answers.flatMap(({ value }) => (value === undefined ? [] : [value])),
        nextCursor: null,
        capped: false,
        // Of several sources, most do not have the row: that is an answer.
        sources: answers.map(({ source, value, error }) =>
          outcome(source, error?.code === "NOT_FOUND" ? undefined : error, value === undefined ? 0 : 1),
        ),
      };
    },
    search: async (userId, selector, raw) => {
      const cursorOf = cursorReader(selector, raw);
      const sources = (await sourcesOf(userId, selector)).filter((source) => cursorOf(source.name) !== "ended");
      const checked = readVerbRequest({ documentId: "search", variables: withoutCursor(raw) });
      // The variables of `search`, by the document id above.
      const variables = checked.variables as VerbVariables["search"];
      const answers = await askAll(sources, selector, (source) =>
        source.search({ ...variables, after: cursorOf(source.name) ?? null }),
      );
      const pages = answers.flatMap(({ source, value }) => (value === undefined ? [] : [{ source, page: value }]));
      return {
        hits: fuse(pages.map(({ source, page }) => ({ source: source.name, hits: page.hits }))),
        nextCursor: nextCursorOf(selector, pages),
        capped: pages.some(({ page }) => page.capped),
        sources: answers.map(({ source, value, error }) => outcome(source, error, value?.hits.length, value?.capped)),
      };
    },
    capabilities: async (userId, selector) => {
      const answers = await askAll(await sourcesOf(userId, selector), selector, (source) => source.capabilities());
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
  sources: QuerySource[],
  selector: string,
  ask: (source: QuerySource) => Promise<T>,
): Promise<Answer<T>[]> {
  return Promise.all(
    sources.map(async (source): Promise<Answer<T>> => {
      try {
        return { source, value: await ask(source) };
      } catch (error) {
        if (selector !== "all") {
          throw error;
        }
        return { source, error: asFederationError(error) };
      }
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
