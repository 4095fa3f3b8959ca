import type { Queryable } from "./session.ts";
import { NOT_OF_EXTENSION, OWN_SCHEMA } from "./tables.ts";

/** Where a sequence stands, identity columns' among them. */
export interface SequencePosition {
  /** Qualified and quoted. */
  name: string;
  lastValue: string;
  isCalled: boolean;
}

/** The position of every sequence; the search path is empty. */
export async function readSequences(client: Queryable): Promise<SequencePosition[]> {
  const { rows } = await client.query<{ name: string }>(`
    select c.oid::regclass::text as name
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'S' and c.relpersistence <> 't' and ${OWN_SCHEMA("n.nspname")} and ${NOT_OF_EXTENSION("pg_catalog.pg_class", "c.oid")}
    order by n.nspname collate "C", c.relname collate "C"`);
  const positions: SequencePosition[] = [];
  for (const { name } of rows) {
    const { rows: found } = await client.query<{ last_value: string; is_called: boolean }>(
      `select last_value::text, is_called from ${name}`,
    );
    positions.push({ name, lastValue: found[0]?.last_value ?? "", isCalled: found[0]?.is_called ?? false });
  }
  return positions;
}

/** Sets sequences to where they stood. */
export async function writeSequences(client: Queryable, positions: readonly SequencePosition[]): Promise<void> {
  for (const { name, lastValue, isCalled } of positions) {
    await client.query("select setval($1::regclass, $2, $3)", [name, lastValue, isCalled]);
  }
}
