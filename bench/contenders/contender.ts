import type { Load, Sample, Target } from "../load/job.ts";

/** What every contender is asked: the same rows, for the same subject. */
export interface Question {
  verb: "list" | "get" | "search";
  /** Rows in the database. */
  rows: number;
  /** Teams in scope. */
  teams: number;
  /** Rows of a page of `list`; 50 where nothing is said. */
  first?: number;
}

/** A row as every contender's can be brought to: names as the table has them, times in milliseconds. */
export type PlainRow = Record<string, unknown>;

/** Something that answers questions, and is measured. */
export interface Contender {
  name: string;
  run(question: Question, load: Load): Promise<Sample>;
}

/** One that answers over HTTP. */
export interface HttpContender extends Contender {
  target(question: Question): Promise<Target>;
  /** What is asked first, answered. */
  answer(question: Question): Promise<{ text: string; rows: PlainRow[] }>;
}
