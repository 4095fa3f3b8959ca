import { escapeIdentifier } from "pg";
import { FederationError } from "../errors.ts";
import type { Queryable } from "./session.ts";

/** One entry of pg_dump's script: the statements that make one object again. */
export interface SchemaEntry {
  kind: string;
  name: string;
  /** Absent where it is in none. */
  schema: string | undefined;
  /** The role that owns it; absent where it has no owner. */
  owner: string | undefined;
  text: string;
}

// pg_dump writes this comment before each entry, with line breaks in names taken out.
const HEADER = /^--\n-- Name: (.*); Type: (.*); Schema: (.*); Owner: (.*)\n--\n/gm;
const FOOTER = "--\n-- PostgreSQL database dump complete\n--\n";

/** The entries of a script that pg_dump wrote, in order. What is before the first one are settings, which a move has of its own. */
export function readSchemaScript(script: string): SchemaEntry[] {
  const headers = [...script.matchAll(HEADER)];
  return headers.map((header, index) => {
    const [all, name = "", kind = "", schema = "", owner = ""] = header;
    const end = headers[index + 1]?.index ?? script.lastIndexOf(FOOTER);
    return {
      kind,
      name,
      schema: schema === "" || schema === "-" ? undefined : schema,
      owner: owner === "" || owner === "-" ? undefined : owner,
      text: script.slice(header.index + all.length, end).trim(),
    };
  });
}

/** What the embedded database's administrator is called. */
export const SOURCE_ADMINISTRATOR = "postgres";

const OWNER_STATEMENT = / OWNER TO postgres;$/;
const ROLE_IN_PRIVILEGE = /\b(TO|FROM|ROLE|AUTHORIZATION) postgres\b/g;

/** An entry with the target's administrator in the place of the embedded database's, which the target need not have. */
export function forAdministrator(entry: SchemaEntry, administrator: string): SchemaEntry {
  if (entry.owner !== SOURCE_ADMINISTRATOR && !entry.kind.endsWith("ACL")) {
    return entry;
  }
  const role = escapeIdentifier(administrator);
  const text = entry.kind.endsWith("ACL")
    ? entry.text.replace(ROLE_IN_PRIVILEGE, (_, word: string) => `${word} ${role}`)
    : entry.text.replace(OWNER_STATEMENT, () => ` OWNER TO ${role};`);
  return { ...entry, text };
}

/**
 * Makes objects again, one after the other.
 *
 * @throws FederationError MOVE_FAILED with the object's kind and name and the target's words
 */
export async function applySchema(
  target: Queryable,
  entries: readonly SchemaEntry[],
  administrator: string,
): Promise<void> {
  for (const entry of entries) {
    try {
      await givingAway(target, entry, () => target.query(forAdministrator(entry, administrator).text));
    } catch (cause) {
      throw new FederationError(
        "MOVE_FAILED",
        `the target refuses ${entry.kind.toLowerCase()} ${entry.name}: ${cause instanceof Error ? cause.message : String(cause)}`,
        { cause },
      );
    }
  }
}

/**
 * Makes a function while its owner may create in its schema, which ALTER FUNCTION asks of the new owner unless a superuser alters it
 * (PostgreSQL documentation).
 */
async function givingAway(
  target: Queryable,
  { kind, schema, owner }: SchemaEntry,
  make: () => Promise<unknown>,
): Promise<void> {
  if (kind !== "FUNCTION" || schema !== "federation" || owner === undefined || owner === "federation_owner") {
    await make();
    return;
  }
  const role = escapeIdentifier(owner);
  await target.query(`grant create on schema federation to ${role}`);
  await make();
  await target.query(`revoke create on schema federation from ${role}`);
}
