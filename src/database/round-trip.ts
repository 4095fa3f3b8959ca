import pg, { Query } from "pg";
import type { PoolClient, QueryConfig, QueryResult, QueryResultRow } from "pg";

/** One statement. One with a name is prepared once on each connection. With `rowMode` its rows are arrays. */
export type Statement = QueryConfig & { rowMode?: "array" };

/** What pg's connection can send; `pg-cursor` uses it in the same way. */
interface Wire {
  parse(message: { text: string; name?: string | undefined }): void;
  bind(message: { statement?: string | undefined; values: readonly unknown[] }): void;
  describe(message: { type: "P"; name: string }): void;
  execute(message: { portal: string }): void;
  close(message: { type: "S"; name: string }): void;
  sync(): void;
  stream: { cork(): void; uncork(): void };
}

/** What pg's client tells the query that is being answered; its types leave this out. */
interface Answered {
  callback: (error: Error | null, result: QueryResult) => void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Wire): void;
  handleReadyForQuery(connection: Wire): void;
}
const AnsweredQuery = Query as unknown as new (config: QueryConfig) => Query & Answered;

const { prepareValue } = (pg as unknown as { utils: { prepareValue: (value: unknown) => unknown } }).utils;

/** What each connection has prepared: texts by name. */
const prepared = new WeakMap<Wire, Map<string, string>>();

/** A query for pg's client that is several statements on the wire. */
class RoundTrip extends AnsweredQuery {
  readonly #statements: readonly Statement[];
  readonly #values: readonly (readonly unknown[])[];
  readonly #asked: number;
  #completed = 0;

  constructor(statements: readonly Statement[], asked: number, callback: Answered["callback"]) {
    const { text = "", rowMode } = statements[asked] ?? {};
    super({ text, ...(rowMode === undefined ? {} : { rowMode }) });
    this.#statements = statements;
    // What is no value for Postgres is found before anything is sent.
    this.#values = statements.map(({ values = [] }) => values.map(prepareValue));
    this.#asked = asked;
    this.callback = callback;
  }

  override submit = (connection: unknown): void => {
    const wire = connection as Wire;
    const known = prepared.get(wire);
    // One write.
    wire.stream.cork();
    for (const [index, { name, text }] of this.#statements.entries()) {
      if (name === undefined || known?.get(name) !== text) {
        if (name !== undefined) {
          // A round trip that failed behind it may have left it there.
          known?.delete(name);
          wire.close({ type: "S", name });
        }
        wire.parse({ text, name });
      }
      wire.bind({ statement: name, values: this.#values[index] ?? [] });
      if (index === this.#asked) {
        wire.describe({ type: "P", name: "" });
      }
      wire.execute({ portal: "" });
    }
    wire.sync();
    wire.stream.uncork();
  };

  override handleDataRow(message: unknown): void {
    if (this.#completed === this.#asked) {
      super.handleDataRow(message);
    }
  }

  override handleCommandComplete(message: unknown, wire: Wire): void {
    if (this.#completed === this.#asked) {
      super.handleCommandComplete(message, wire);
    }
    this.#completed += 1;
  }

  override handleReadyForQuery(wire: Wire): void {
    const known = prepared.get(wire) ?? new Map<string, string>();
    prepared.set(wire, known);
    for (const { name, text } of this.#statements) {
      if (name !== undefined) {
        known.set(name, text);
      }
    }
    super.handleReadyForQuery(wire);
  }
}

/**
 * Sends statements at once with one Sync behind them, and brings the answer of one of them. Where one fails, Postgres skips those behind it; a
 * transaction that was begun is then still to be rolled back. pg's own queries have a Sync each, so an answer each, which costs both sides more than
 * a small statement does (PostgreSQL documentation, "Extended Query": pipelining).
 *
 * @param client one that pipelines
 * @param statements each of them one command
 * @param asked which of them is asked for its rows, by its place
 * @throws the database's error, of whichever statement failed; TypeError for a value that Postgres has none for
 */
export function roundTrip<R extends QueryResultRow>(
  client: PoolClient,
  statements: readonly Statement[],
  asked: number,
): Promise<QueryResult<R>> {
  return new Promise((resolve, reject) => {
    const query = new RoundTrip(statements, asked, (error, result) => {
      if (error === null) {
        resolve(result as QueryResult<R>);
      } else {
        reject(error);
      }
    });
    client.query(query);
  });
}
