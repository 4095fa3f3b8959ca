import { z } from "zod";

const row = z.record(z.string(), z.unknown());

// The alphabet of our own cursors (sql/60_rows/030_cursor.sql): people print and paste them.
const cursor = z
  .string()
  .max(8192)
  .regex(/^[\w-]+$/);

/** What a peer may answer to each verb: its shape is checked, and it is believed no further. */
export const ANSWERS = {
  list: z.object({ rows: z.array(row).max(10_000), nextCursor: cursor.nullable(), capped: z.boolean() }),
  get: row,
  search: z.object({
    hits: z
      .array(
        z.object({
          resource: z.string().max(50),
          id: z.string().max(8192),
          rank: z.number(),
          snippet: z
            .object({
              column: z.string().max(63),
              parts: z.array(z.object({ text: z.string().max(65_536), match: z.boolean() })).max(1_000),
            })
            .nullable(),
          row,
        }),
      )
      .max(10_000),
    nextCursor: cursor.nullable(),
    capped: z.boolean(),
  }),
  capabilities: row,
};

/** A checked answer. */
export type AnswerTo<V extends keyof typeof ANSWERS> = z.output<(typeof ANSWERS)[V]>;
