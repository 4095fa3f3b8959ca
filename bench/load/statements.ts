import type { BenchGrant } from "../setting/work.ts";

/** What is measured of the verbs. */
export type Verb = "list" | "get";

const COLUMNS = "id, title, body, status, priority, due_on, owner_id, team_id, created_at";

/**
 * A transaction that answers a verb, for pgbench.
 *
 * @param which the hand-written handler's statements under either kind of policies, the gateway's own, or one of the database with the foreign table
 */
export function statementsOf(
  which: "grant" | "settings" | "verbs" | "foreign",
  verb: Verb,
  { grantId, subject, serial }: BenchGrant,
  id: string,
): string {
  const table = which === "foreign" ? "tasks" : "work.tasks";
  const plain =
    verb === "list"
      ? `select ${COLUMNS} from ${table} order by created_at, id limit 51`
      : `select ${COLUMNS} from ${table} where id = '${id}'`;
  if (which === "foreign") {
    return `${plain};\n`;
  }
  const enter =
    which === "settings"
      ? `select set_config('stock.grant_id', '${grantId}', true), set_config('stock.subject', '${subject}', true), set_config('role', 'stock_reader', true)`
      : `select federation.enter_as_peer('${grantId}', '${subject}', '${serial}'), set_config('role', 'federation_peer', true)`;
  const query =
    which !== "verbs"
      ? plain
      : verb === "list"
        ? "select federation_api.list('tasks')"
        : `select federation_api.get('tasks', '${id}')`;
  return `begin read only;\n${enter};\n${query};\ncommit;\n`;
}
