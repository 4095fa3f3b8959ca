import type { PoolClient } from "pg";
import { escapeIdentifier } from "pg";
import { seedPeople, seedTeams } from "./actors.ts";

const TEAMS = ["1", "2", "3", "4"];
const USERS = ["olga", "mia", "ned"];

/** A table of rows that are somebody's and perhaps a team's, by a name that quotes, percents and dollars are part of. */
export interface Shape {
  name: string;
  /** The type of its team column. */
  team: string;
  /** The type of its key, where that is not integer. */
  key?: string;
  /** Policies of its own; where there are none, registration makes them. */
  policies?: readonly string[];
  orderBy?: readonly { column: string; direction?: "asc" | "desc" }[];
  /** Whether its rows are read team by team. */
  byTeam: boolean;
  /** Whether its team stays at home. */
  hidesTeam?: true;
}

/** Its name, quoted. */
export const TABLE = `app."Odd ""things"" %s $4 'x'"`;
/** The name of its team column, not quoted. */
export const TEAM = 'team "%I" $5';
/** The same, quoted. */
export const team = escapeIdentifier(TEAM);
const OWN = "create policy p on %t using (owner_id = (select app.current_user_id()) or %c)";
const policies = (condition: string, ...more: string[]): string[] =>
  [OWN.replace("%c", condition), ...more].map((statement) => statement.replaceAll("%t", TABLE));

/** What tables and policies there may be. */
export const SHAPES: readonly Shape[] = [
  { name: "the policy that registration makes", team: "text", byTeam: true },
  { name: "a key of a domain that refuses null", team: "text", key: "app.thing_number", byTeam: true },
  { name: "teams that are numbers", team: "integer", byTeam: true },
  { name: "teams of a varchar", team: "varchar(20)", byTeam: true },
  { name: "teams that stay at home", team: "text", byTeam: false, hidesTeam: true },
  { name: "teams of a type with padding", team: "char(5)", byTeam: false },
  {
    name: "an order by a column that may be null, downwards",
    team: "text",
    orderBy: [{ column: "due", direction: "desc" }],
    byTeam: true,
  },
  {
    name: "an order by a column that may be null, and another one downwards",
    team: "text",
    orderBy: [{ column: "due" }, { column: "rank", direction: "desc" }],
    byTeam: true,
  },
  { name: "an order downwards", team: "text", orderBy: [{ column: "rank", direction: "desc" }], byTeam: true },
  {
    name: "a policy of its own",
    team: "text",
    policies: policies(`${team} = any ((select app.current_team_ids())::text[])`),
    byTeam: true,
  },
  {
    name: "a policy of its own with a query",
    team: "text",
    policies: policies(
      `${team} in (select m.team_id from app.memberships m where m.user_id = (select app.current_user_id()))`,
    ),
    byTeam: true,
  },
  {
    name: "a policy of its own with a third alternative",
    team: "text",
    policies: policies(`rank = 1 or ${team} = any ((select app.current_team_ids())::text[])`),
    byTeam: true,
  },
  {
    name: "a policy of its own that refers to the row from within a query",
    team: "text",
    policies: policies(
      `exists (select from app.memberships m where m.team_id = ${team} and m.user_id = app.current_user_id())`,
    ),
    byTeam: false,
  },
  {
    name: "two policies of its own",
    team: "text",
    policies: policies(
      `${team} = any ((select app.current_team_ids())::text[])`,
      "create policy q on %t for select using (rank = 2)",
    ),
    byTeam: false,
  },
  {
    name: "a restrictive policy of its own",
    team: "text",
    policies: policies(
      `${team} = any ((select app.current_team_ids())::text[])`,
      "create policy q on %t as restrictive for select using (rank <> 2)",
    ),
    byTeam: true,
  },
];

/** Makes the table of a shape, fills it with rows that are the same each time, and registers it as `odd`. */
export async function make(client: PoolClient, shape: Shape): Promise<void> {
  await seedTeams(client, TEAMS);
  await seedPeople(client, { olga: ["1", "2", "3"], mia: ["1", "4"], ned: [] });
  await client.query(
    `create domain app.thing_number as integer not null check (value is not null and value >= 0);
     create table ${TABLE} (
       id ${shape.key ?? "integer"} primary key, owner_id text not null, ${team} ${shape.team}, rank integer not null, due date, amount bigint not null,
       "it's ""secret"" %L" text not null default 'never leaves'
     )`,
  );
  // A linear congruential generator (Numerical Recipes): random enough, and the same on every run.
  let seed = 20261126;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const rows = Array.from({ length: 120 }, (_, n) => [
    (n * 73) % 1009,
    USERS[random(3)],
    random(3) === 0 ? null : TEAMS[random(4)],
    random(4),
    random(3) === 0 ? null : `2026-01-0${1 + random(5)}`,
    "9007199254740993",
  ]);
  await client.query(
    `insert into ${TABLE} select a.id, a.owner, a.team, a.rank, a.due, a.amount
     from jsonb_to_recordset($1) as a (id integer, owner text, team ${shape.team}, rank integer, due date, amount bigint)`,
    [JSON.stringify(rows.map(([id, owner, of, rank, due, amount]) => ({ id, owner, team: of, rank, due, amount })))],
  );
  if (shape.policies !== undefined) {
    await client.query(`alter table ${TABLE} enable row level security`);
    for (const policy of shape.policies) {
      await client.query(policy);
    }
    await client.query("grant select on app.memberships to federation_peer, federation_user");
  }
  await client.query(
    `select federation.register_resource(
       name => 'odd', table_id => $1::regclass, owner => 'owner_id', team => $2, order_by => $3, hidden_columns => $4,
       identity_settings => '{"settings": {"app.user_id": "{subject}"}}')`,
    [
      TABLE,
      TEAM,
      shape.orderBy === undefined ? null : JSON.stringify(shape.orderBy),
      [`it's "secret" %L`, ...(shape.hidesTeam === true ? [TEAM] : [])],
    ],
  );
}
