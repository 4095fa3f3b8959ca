import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, seedPeople } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { only, refusal } from "./verbs.ts";

interface Capabilities {
  protocol: number;
  verbs: string[];
  resources: {
    name: string;
    key: string;
    columns: { name: string; type: string; nullable: boolean; comparable: boolean }[];
  }[];
  limits: { maxRowsPerQuery: number; maxBodyBytes: number };
  certificateExpiresAt: string;
}

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await seedPeople(client, { olga: [] });
  client.release();
});
afterAll(() => database.close());

function capabilities(client: PoolClient, grant: Grant): Promise<Capabilities> {
  return asPeer(client, grant, async () => {
    const { rows } = await client.query<{ answer: Capabilities }>("select federation_api.capabilities() as answer");
    return only(rows).answer;
  });
}

test("capabilities name the resources in scope and no others, by name", async () => {
  await database.transaction(async (client) => {
    const grant = await activeGrant(client, "olga", {
      resources: ["tasks", "credentials", "notes"],
      excluded_resources: ["credentials"],
      max_rows_per_query: 7,
    });
    const answer = await capabilities(client, grant);
    expect(answer).toMatchObject({
      protocol: 1,
      verbs: ["capabilities", "list", "get", "search"],
      limits: { maxRowsPerQuery: 7, maxBodyBytes: 65_536 },
    });
    expect(answer.resources.map(({ name }) => name)).toEqual(["notes", "tasks"]);
    expect(answer.resources[1]?.columns).toContainEqual({
      name: "due_on",
      type: "date",
      nullable: true,
      comparable: true,
    });
    const { rows } = await client.query("select not_after from federation.federation_certificates where serial = $1", [
      grant.serial,
    ]);
    expect(rows).toEqual([{ not_after: new Date(answer.certificateExpiresAt) }]);
  });
});

test("capabilities name no hidden column", async () => {
  await database.transaction(async (client) => {
    const { resources } = await capabilities(client, await activeGrant(client, "olga", { resources: ["credentials"] }));
    expect(resources.flatMap(({ columns }) => columns.map(({ name }) => name))).toEqual([
      "id",
      "name",
      "owner_id",
      "team_id",
      "created_at",
    ]);
  });
});

test("a column that is added after registration stays at home until somebody registers it", async () => {
  await database.transaction(async (client) => {
    await client.query("alter table app.tasks add column remark text default 'inner'");
    const { resources } = await capabilities(client, await activeGrant(client, "olga", { resources: ["tasks"] }));
    expect(only(resources).columns.map(({ name }) => name)).not.toContain("remark");
  });
});

test("capabilities are refused with the state of the grant", async () => {
  await database.transaction(async (client) => {
    const grant = await activeGrant(client, "olga", { resources: ["tasks"] });
    await client.query("select federation.suspend_grant($1)", [grant.id]);
    expect(await refusal(capabilities(client, grant))).toBe("GRANT_SUSPENDED");
  });
});
