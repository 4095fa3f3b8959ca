import type { ClientBase, Pool } from "pg";

/**
 * Writes audit rows of any time, as a superuser: federation.append_audit takes none that are older than a week.
 *
 * @param entries their columns; what is missing is what a served request has
 */
export async function appendAt(
  client: ClientBase | Pool,
  entries: readonly Record<string, unknown>[],
  chain: string,
): Promise<void> {
  const rows = entries.map((entry) => ({
    ...{ verb: "list", outcome: "served", code: "OK", row_count: 0, bytes_out: 0, latency_ms: 0 },
    ...entry,
  }));
  await client.query(
    `select federation.append_to_chain($2, array(
       select jsonb_populate_record(null::federation.federation_audit_log, e.entry)
       from jsonb_array_elements($1::jsonb) with ordinality as e (entry, at) order by e.at
     ))`,
    [JSON.stringify(rows), chain],
  );
}
