import type { fillWorld } from "../../src/demo/world.ts";

type World = Parameters<typeof fillWorld>[1];

/** The employees of B; each has an own A. */
export const EMPLOYEES = ["ada", "ben", "cleo"] as const;
export type Employee = (typeof EMPLOYEES)[number];

/** Who is in which team at B: each team has a member that the other has not. */
export const TEAMS = { design: ["ada", "ben"], finance: ["ada", "cleo"] } as const;
export type Team = keyof typeof TEAMS;

/** What can be granted of: each has rows of everybody. */
export const RESOURCES = ["tasks", "notes"] as const;
export type Resource = (typeof RESOURCES)[number];

/** A row at B: whose it is, and of which team; null is personal. */
export interface Row {
  resource: Resource;
  id: string;
  owner: Employee;
  team: Team | null;
}

/** Every row at B: of each resource one personal row of each employee, and one of each member of each team. All hold the word "plan". */
export const ROWS: Row[] = RESOURCES.flatMap((resource, kind) =>
  [
    ...EMPLOYEES.map((owner) => ({ owner, team: null })),
    ...Object.entries(TEAMS).flatMap(([team, members]) => members.map((owner) => ({ owner, team: team as Team }))),
  ].map((row, index) => ({ resource, id: `00000000-0000-4000-8000-0000000${kind + 1}000${index + 1}`, ...row })),
);

/** The ids of the rows that are so, in order. */
export function idsOf(resource: Resource, is: (row: Row) => boolean): string[] {
  return ROWS.filter((row) => row.resource === resource && is(row))
    .map(({ id }) => id)
    .sort();
}

/** B, where all of them work. */
export const WORK: World = {
  users: EMPLOYEES.map((id) => ({ id, name: id, email: `${id}@work.example` })),
  teams: Object.keys(TEAMS).map((id) => ({ id, name: id })),
  memberships: Object.entries(TEAMS).flatMap(([team_id, members]) => members.map((user_id) => ({ user_id, team_id }))),
  tasks: rowsOf("tasks"),
  notes: rowsOf("notes"),
  credentials: EMPLOYEES.map((owner_id) => ({ name: `key of ${owner_id}`, secret: "never leaves", owner_id })),
};

function rowsOf(resource: Resource): Record<string, unknown>[] {
  return ROWS.filter((row) => row.resource === resource).map(({ id, owner, team }) => ({
    ...{ id, title: `plan of ${owner}${team === null ? "" : ` for ${team}`}`, owner_id: owner, team_id: team },
  }));
}

/** The A of one employee: two people use it, the employee and somebody who helps the employee's teams; each with a task at home. */
export function homeOf(employee: Employee): World {
  const people = [`${employee}-at-home`, `helper-of-${employee}`];
  return {
    users: people.map((id) => ({ id, name: id, email: `${id}@home.example` })),
    teams: [],
    memberships: [],
    tasks: people.map((owner_id) => ({ title: `plan of ${owner_id}`, owner_id })),
    notes: [],
    credentials: [],
  };
}
