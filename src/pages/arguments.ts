import { z } from "zod";
import { FederationError } from "../errors.ts";

// Postgres text holds neither NUL nor half a surrogate pair (PostgreSQL documentation §8.14.1).
const text = z
  .string()
  .max(4096)
  .refine((value) => value.isWellFormed() && !value.includes("\0"), { error: "not text that a database can hold" });
const uuid = z.uuid();
const time = z.iso.datetime({ offset: true });
const json = z.unknown().refine((value) => {
  const written = JSON.stringify(value);
  return written.length <= 65_536 && written.isWellFormed() && !/\\u(0000|d[89a-f])/i.test(written);
});

/** By the name of the argument, whichever field it is of; all others are text, numbers and lists of text. */
const KINDS: Record<string, z.ZodType> = {
  grantId: uuid,
  since: time,
  until: time,
  expiresAt: time,
  before: z.string().regex(/^\d{1,18}$/),
  first: z.int(),
  most: z.int(),
  samples: z.int(),
  scope: json,
  expectedScope: json,
  filter: json,
  archived: z.boolean(),
  includeResolved: z.boolean(),
  confirmWidening: z.boolean(),
  textColumns: z.array(text).max(1600),
  hiddenColumns: z.array(text).max(1600),
};

/** The fields whose `id` is a row's of our own tables; that of `explain` is of a row of the application. */
const BY_UUID: ReadonlySet<string> = new Set(["grant", "renewPeer", "removePeer"]);

/** The arguments that are JSON to the database. */
const JSON_ARGUMENTS: ReadonlySet<string> = new Set(["scope", "expectedScope", "filter"]);

/** An argument of a SQL function, by its name there. */
export interface SqlArgument {
  name: string;
  value: unknown;
}

/**
 * What a field was asked with, as arguments of the SQL function behind it.
 *
 * @throws FederationError BAD_REQUEST that names the argument and never repeats its value
 */
export function sqlArguments(field: string, given: Readonly<Record<string, unknown>>): SqlArgument[] {
  return Object.entries(given)
    .filter(([, value]) => value != null)
    .map(([name, value]) => {
      const kind = name === "id" && BY_UUID.has(field) ? uuid : (KINDS[name] ?? text);
      if (!kind.safeParse(value).success) {
        throw new FederationError("BAD_REQUEST", `The argument ${name} is not well-formed.`);
      }
      return { name: snakeCase(name), value: JSON_ARGUMENTS.has(name) ? JSON.stringify(value) : value };
    });
}

/** The name in SQL of what is `aName` in GraphQL. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
