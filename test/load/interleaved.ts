import type { Client } from "undici";
import type { Random } from "../harness/random.ts";

/** Two people at one gateway. */
export const EMPLOYEES = ["e1", "e2"] as const;
export type Employee = (typeof EMPLOYEES)[number];
const OTHER = { e1: "e2", e2: "e1" } as const;

/** A task at the gateway. */
export interface Row {
  id: string;
  title: string;
  owner_id: Employee;
  team_id: string | null;
}

/** Both are in `both`; each has a team of their own, which is in the grant, and personal rows. */
export const ROWS: Row[] = EMPLOYEES.flatMap((owner, number) =>
  Array.from({ length: 60 }, (_, index) => ({
    id: `00000000-0000-4000-8000-${String(number)}${String(index).padStart(11, "0")}`,
    ...{ title: `plan ${index} of ${owner}`, owner_id: owner },
    team_id: index < 30 ? null : index < 45 ? `team-of-${owner}` : "both",
  })),
);
/** What a grant for one of them reads: personal rows and those of the own team, none of the team that both are in. */
export const scopeOf = (employee: Employee): unknown => ({
  ...{ resources: ["tasks"], include_teams: [`team-of-${employee}`], include_personal: true, max_rows_per_query: 100 },
});
const isFor = (employee: Employee, row: Row): boolean => row.owner_id === employee && row.team_id !== "both";
/** The rows that each may be served. */
export const IDS: Record<Employee, string[]> = {
  e1: ROWS.filter((row) => isFor("e1", row)).map(({ id }) => id),
  e2: ROWS.filter((row) => isFor("e2", row)).map(({ id }) => id),
};

/** One kept-open connection of an employee's, and under which grant it is. */
export interface Lane {
  employee: Employee;
  random: Random;
  grantId: string;
  client: Client;
  /** When the revocation of its grant was asked for, and when it had committed, ms. */
  revoking: number | undefined;
  revoked: number | undefined;
  renewing: boolean;
  /** Of the last page, to go on from, and for the other to try. */
  cursor: string | undefined;
}

type Verb = "capabilities" | "list" | "get" | "search";

/** A request, and what is right of its answer. */
export interface Question {
  verb: Verb;
  variables: Record<string, unknown>;
  /** The code that it must come back with. */
  code: "OK" | "NOT_FOUND" | "BAD_REQUEST";
}

/** What a lane asks next, by its own choices: a third is about what is not for it. */
export function nextQuestion(lane: Lane, lanes: readonly Lane[]): Question {
  const { random, employee } = lane;
  const kind = random();
  if (kind < 0.2) {
    return { verb: "get", variables: { resource: "tasks", id: random.anyOf(IDS[employee]) }, code: "OK" };
  }
  if (kind < 0.45) {
    // The other's, or one's own of a team that is not in the grant: both are there.
    const hidden = ROWS.filter((row) => !isFor(employee, row)).map(({ id }) => id);
    return { verb: "get", variables: { resource: "tasks", id: random.anyOf(hidden) }, code: "NOT_FOUND" };
  }
  if (kind < 0.5) {
    return { verb: "capabilities", variables: {}, code: "OK" };
  }
  if (kind < 0.6) {
    const query = random.anyOf(["plan", `"of ${OTHER[employee]}"`, `"of ${employee}"`]);
    return { verb: "search", variables: { query, first: 20 }, code: "OK" };
  }
  const first = 1 + Math.floor(random() * 20);
  if (kind < 0.65) {
    const stolen = random.anyOf(lanes).cursor;
    if (stolen !== undefined && stolen !== lane.cursor) {
      return { verb: "list", variables: { resource: "tasks", first, after: stolen }, code: "BAD_REQUEST" };
    }
  }
  const filter = random() < 0.3 ? { owner_id: { in: EMPLOYEES } } : undefined;
  return {
    verb: "list",
    variables: { resource: "tasks", first, ...(filter === undefined ? {} : { filter }) },
    code: "OK",
  };
}
