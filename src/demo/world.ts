import { asAdministrator } from "../database/administrator.ts";

/** Rows of the sample application, by table. */
type World = Record<"users" | "teams" | "memberships" | "tasks" | "notes" | "credentials", Record<string, unknown>[]>;

/** Work: three employees in two teams. */
export const WORK: World = {
  users: [
    { id: "alice", name: "Alice Marsh", email: "alice@work.example" },
    { id: "bob", name: "Bob Okoye", email: "bob@work.example" },
    { id: "carol", name: "Carol Lindt", email: "carol@work.example" },
  ],
  teams: [
    { id: "platform", name: "Platform" },
    { id: "payroll", name: "Payroll" },
  ],
  memberships: [
    { user_id: "alice", team_id: "platform" },
    { user_id: "alice", team_id: "payroll" },
    { user_id: "bob", team_id: "platform" },
    { user_id: "carol", team_id: "payroll" },
  ],
  tasks: [
    { id: task(1), title: "Renew the TLS certificate", due_on: "2026-12-01", owner_id: "bob", team_id: "platform" },
    { id: task(2), title: "Review the failover plan", due_on: "2026-12-04", owner_id: "alice", team_id: "platform" },
    { id: task(3), title: "Close November's payroll", due_on: "2026-11-30", owner_id: "alice", team_id: "payroll" },
    { id: task(4), title: "Raise for Bob", due_on: "2026-12-10", owner_id: "carol", team_id: "payroll" },
    { id: task(5), title: "Book a dentist", due_on: "2026-12-08", owner_id: "alice", team_id: null },
    { id: task(6), title: "Read the new RFC", due_on: "2026-12-15", owner_id: "bob", team_id: null },
  ],
  notes: [
    { title: "On-call handbook", body: "Who to wake, and when.", owner_id: "bob", team_id: "platform" },
    { title: "Salary bands", body: "Not for everyone.", owner_id: "carol", team_id: "payroll" },
  ],
  credentials: [
    { id: credential(1), name: "Deploy key", secret: "never leaves", owner_id: "alice", team_id: "platform" },
  ],
};

/** Home: two people, each with a life of their own. */
export const HOME: World = {
  users: [
    { id: "alice-at-home", name: "Alice", email: "alice@home.example" },
    { id: "bob-at-home", name: "Bob", email: "bob@home.example" },
  ],
  teams: [],
  memberships: [],
  tasks: [
    { title: "Water the plants", due_on: "2026-12-02", owner_id: "alice-at-home", team_id: null },
    { title: "Plan the winter holiday", due_on: "2026-12-06", owner_id: "alice-at-home", team_id: null },
    { title: "Repair the bike", due_on: "2026-12-05", owner_id: "bob-at-home", team_id: null },
  ],
  notes: [],
  credentials: [],
};

/** The id of a task at work. */
export function task(number: number): string {
  return `00000000-0000-4000-8000-00000000000${number}`;
}

/** The id of a credential at work. */
export function credential(number: number): string {
  return `00000000-0000-4000-8000-0000000000c${number}`;
}

/** Writes the rows of a world into the sample application. */
export async function fillWorld(adminUrl: string, world: World): Promise<void> {
  await asAdministrator(
    adminUrl,
    async (client) => {
      for (const [name, rows] of Object.entries(world)) {
        for (const row of rows) {
          const columns = Object.keys(row).join(", ");
          const values = Object.keys(row).map((_, index) => `$${index + 1}`);
          await client.query(`insert into app.${name} (${columns}) values (${values.join(", ")})`, Object.values(row));
        }
      }
    },
    "own",
  );
}
