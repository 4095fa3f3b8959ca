import { fromSql, toSql } from "pgvector";
import { FederationError } from "../errors.ts";

/** The most that an HNSW index takes (pgvector documentation, "HNSW"). */
const MAX_DIMENSIONS = 2_000;

/** The type `vector(n)` of a column: how its values are written to and read from PostgreSQL. */
export interface VectorType {
  /** For example `vector(1536)`, as DDL writes it. */
  sql: string;
  /**
   * @returns what a query takes as a parameter of this type
   * @throws FederationError BAD_REQUEST where there are more or fewer numbers than dimensions, or one that single precision cannot hold
   */
  toSql(values: readonly number[]): string;
  /**
   * @param text what PostgreSQL gives of a column of this type
   * @throws FederationError BAD_REQUEST where it is no vector of these dimensions
   */
  fromSql(text: string): number[];
}

/**
 * The type of a column that holds embeddings. An embedding that has no direction, all zeros, has no cosine distance and is found by
 * no search.
 *
 * @param dimensions 1 to 2000
 * @throws FederationError BAD_REQUEST
 */
export function vectorType(dimensions: number): VectorType {
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw refused(`a vector has 1 to ${MAX_DIMENSIONS} dimensions`);
  }
  const check = (values: readonly number[]): void => {
    if (values.length !== dimensions) {
      throw refused(`${values.length} numbers for ${dimensions} dimensions`);
    }
    if (!values.every((value) => Number.isFinite(Math.fround(value)))) {
      throw refused("a number that single precision cannot hold");
    }
  };
  return {
    sql: `vector(${dimensions})`,
    toSql: (values) => {
      check(values);
      return toSql([...values]) ?? "";
    },
    fromSql: (text) => {
      if (!/^\[[-+.,0-9eE]*\]$/.test(text)) {
        throw refused("no vector");
      }
      const values = fromSql(text);
      if (!Array.isArray(values)) {
        throw refused("no vector");
      }
      check(values);
      return values;
    },
  };
}

function refused(why: string): FederationError {
  return new FederationError("BAD_REQUEST", `Not a value of the column: ${why}.`);
}
