import type { Connection, Submittable } from "pg";

/** A statement with its values, as text; null is null. */
export interface Statement {
  /** By which the connection keeps it prepared: of one text for ever. */
  name: string;
  text: string;
  values: readonly (string | null)[];
}

/** One row, its columns as Postgres writes them. */
export type TextRow = (string | null)[];

// What pg does with a query of its own (pg, lib/client.js): it calls these, and wraps `callback` where there is a time limit.
type Callback = (error: Error | null, rows?: TextRow[]) => void;

/** Which statements a connection has prepared. */
const prepared = new WeakMap<Connection, Set<string>>();

/**
 * Statements that are sent in one write and answered together. They are one transaction, which the Sync at their end commits: after a
 * failure nothing more is run and nothing is kept (PostgreSQL documentation §54.2.4, "Pipelining"). So none is run unless all before it were.
 */
export class Batch implements Submittable {
  callback: Callback | undefined;
  readonly #statements: readonly Statement[];
  readonly #keep: boolean;
  #connection: Connection | undefined;
  #rows: TextRow[] = [];
  #done = 0;

  /** @param keep whether the statements stay prepared; on the embedded database all connections share one backend, and its names */
  constructor(statements: readonly Statement[], keep: boolean, callback: Callback) {
    this.#statements = statements;
    this.#keep = keep;
    this.callback = callback;
  }

  submit(connection: Connection): void {
    this.#connection = connection;
    const known = prepared.get(connection);
    connection.stream.cork();
    for (const { name, text, values } of this.#statements) {
      const statement = this.#keep ? name : "";
      if (!this.#keep || known?.has(name) !== true) {
        if (this.#keep) {
          // A batch that failed may have prepared it or not; to close what is not there is no error (§54.2.3).
          connection.close({ type: "S", name }, true);
        }
        connection.parse({ name: statement, text, types: [] }, true);
      }
      connection.bind({ statement, values: [...values] }, true);
      connection.execute({ portal: "" }, true);
    }
    connection.sync();
    connection.stream.uncork();
  }

  handleDataRow({ fields }: { fields: TextRow }): void {
    this.#rows.push(fields);
  }

  /** The rows that are kept are those of the last statement. */
  handleCommandComplete(): void {
    this.#done += 1;
    if (this.#done < this.#statements.length) {
      this.#rows = [];
    }
  }

  handleError(error: Error): void {
    if (this.#connection !== undefined) {
      prepared.delete(this.#connection);
    }
    this.callback?.(error);
  }

  handleReadyForQuery(): void {
    if (this.#keep && this.#connection !== undefined) {
      const known = prepared.get(this.#connection) ?? new Set();
      prepared.set(this.#connection, known);
      for (const { name } of this.#statements) {
        known.add(name);
      }
    }
    this.callback?.(null, this.#rows);
  }
}
