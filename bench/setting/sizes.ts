/** The subjects of `work.sql`, by how many teams their grants reach. */
export const SUBJECTS = { 1: "u1001", 10: "u1010", 100: "u1100" } as const;

/** How many teams are in scope. */
export type Teams = keyof typeof SUBJECTS;

/** Rows of one page. */
export const PAGE = 50;

/** Rows above which words are not indexed: that takes longer than everything else of the load together. */
export const MOST_SEARCHED = 100_000;
