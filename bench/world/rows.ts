import type { Client } from "pg";

/** Counts up when what is loaded changes: what was kept from before is loaded anew. */
export const ROWS_VERSION = 1;

/** The subject of every grant. */
export const SUBJECT = "alice";
/** Home's user who holds the grants. */
export const HOME_USER = "alice-at-home";

const USERS = 1_000;
const TEAMS = 200;
/** Of the subject: every second team, the largest first. */
const SUBJECT_TEAMS = 100;
const BATCH = 500_000;

/** The first so many of the subject's teams. */
export function teamsInScope(count: number): string[] {
  return Array.from({ length: count }, (_, place) => teamId(2 * place));
}

function teamId(number: number): string {
  return `team-${String(number).padStart(3, "0")}`;
}

/**
 * Loads the sample application: few owners and teams have most rows, as a cubed and a squared random number have it. Half the rows are a team's.
 * The same rows each time: numbers come from a hash of the row's own, not from a generator's state.
 *
 * @param onProgress told how many tasks are there
 */
export async function loadRows(client: Client, rows: number, onProgress: (done: number) => void): Promise<void> {
  await client.query("set maintenance_work_mem = '512MB'");
  // Whole tables at once: what each row would be checked for holds by how they are made.
  await client.query("set session_replication_role = replica");
  await client.query(
    `insert into app.users (id, name, email)
     select u.id, 'User ' || u.id, u.id || '@bench.localhost'
     from (select '${SUBJECT}' union all select 'user-' || n from generate_series(0, ${USERS - 1}) n) u (id)`,
  );
  await client.query(
    `insert into app.teams (id, name) select ${teamOf("n")}, 'Team ' || n from generate_series(0, ${TEAMS - 1}) n`,
  );
  await client.query(
    `insert into app.memberships (user_id, team_id)
     select '${SUBJECT}', ${teamOf("2 * n")} from generate_series(0, ${SUBJECT_TEAMS - 1}) n
     union select 'user-' || u, ${teamOf(`(u * 7 + k * 31) % ${TEAMS}`)} from generate_series(0, ${USERS - 1}) u, generate_series(1, 5) k`,
  );
  const { rows: indexes } = await client.query<{ name: string; definition: string }>(
    `select i.indexrelid::regclass::text as name, pg_get_indexdef(i.indexrelid) as definition
     from pg_index i where i.indrelid = 'app.tasks'::regclass and not i.indisprimary`,
  );
  for (const { name } of indexes) {
    await client.query(`drop index ${name}`);
  }
  for (let from = 1; from <= rows; from += BATCH) {
    await client.query(taskRows(from, Math.min(rows, from + BATCH - 1)));
    onProgress(Math.min(rows, from + BATCH - 1));
  }
  for (const { definition } of indexes) {
    await client.query(definition);
  }
  await client.query("set session_replication_role = origin");
  await client.query("vacuum (analyze, freeze) app.tasks, app.memberships, app.users, app.teams");
  await client.query("checkpoint");
}

/** The team of a number, in SQL. */
function teamOf(number: string): string {
  return `'team-' || lpad((${number})::text, 3, '0')`;
}

/** Owner and team are drawn by 24 bits each of the hash of the row's number. */
function taskRows(from: number, to: number): string {
  const random = (place: number): string => `(('x' || substr(r.hash, ${place}, 6))::bit(24)::integer / 16777216.0)`;
  return `insert into app.tasks (id, title, body, status, priority, due_on, owner_id, team_id, created_at)
    select
      r.hash::uuid,
      'Task ' || r.n,
      'What is to be done about number ' || r.n || ', and by whom, in a sentence.',
      (array['open', 'doing', 'done'])[1 + r.n % 3],
      1 + r.n % 5,
      date '2026-01-01' + r.n % 365,
      case when ${random(1)} < 0.02 then '${SUBJECT}' else 'user-' || floor(${USERS} * power(${random(7)}, 3)) end,
      case when ${random(13)} < 0.5 then ${teamOf(`floor(${TEAMS} * power(${random(19)}, 2))::integer`)} end,
      timestamptz '2025-01-01 00:00:00+00' + r.n * interval '1 second'
    from (select n, md5(n::text) from generate_series(${from}, ${to}) n) r (n, hash)`;
}
