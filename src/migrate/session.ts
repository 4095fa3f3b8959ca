import type { ClientBase } from "pg";
import { BEGIN } from "../database/begin.ts";

/** What both ends of a move need of a connection. */
export type Queryable = Pick<ClientBase, "query">;

// Values are written and read as text: what shapes that text must be the same at both ends. The rest keeps a long transaction alive,
// and keeps names and row-level security from depending on who is connected.
const SETTINGS: Record<string, string> = {
  timezone: "UTC",
  datestyle: "ISO, YMD",
  intervalstyle: "postgres",
  // Any value above zero is the shortest text that reads back as the same number (PostgreSQL documentation §19.11.2).
  extra_float_digits: "3",
  bytea_output: "hex",
  lc_monetary: "C",
  xmloption: "content",
  search_path: "",
  // An error instead of fewer rows, where a policy would hide some.
  row_security: "off",
  check_function_bodies: "off",
  client_min_messages: "warning",
  statement_timeout: "0",
  lock_timeout: "0",
  idle_in_transaction_session_timeout: "0",
  // From PostgreSQL 17 on.
  transaction_timeout: "0",
};

/** Begins a transaction with the same settings at either end; they end with it. */
export async function beginMove(client: Queryable, mode: "read only" | "read write"): Promise<void> {
  await client.query(mode === "read only" ? "begin isolation level repeatable read read only" : BEGIN);
  await client.query(
    `select set_config(s.key, s.value, true)
     from json_each_text($1) as s join pg_catalog.pg_settings g on lower(g.name) = s.key`,
    [JSON.stringify(SETTINGS)],
  );
}
