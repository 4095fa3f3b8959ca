import { afterAll, beforeAll, expect, test } from "vitest";
import { createToken } from "../../src/demo/actors.ts";
import { task, WORK } from "../../src/demo/world.ts";
import { openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

let work: TestGateway;

beforeAll(async () => {
  work = await openTestGateway("work.localhost", WORK);
});
afterAll(() => work.stop());

/** The number of rows and a hash of them, of every table of the federation. */
async function federationContent(): Promise<Record<string, string>> {
  const { rows: tables } = await work.pool.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = 'federation' and c.relkind in ('r', 'p') order by 1`,
  );
  const content: Record<string, string> = {};
  for (const { name } of tables) {
    const { rows } = await work.pool.query<{ hash: string }>(
      `select count(*) || ':' || md5(coalesce(string_agg(t::text, E'\\n' order by t::text), '')) as hash from ${name} t`,
    );
    content[name] = rows[0]?.hash ?? "";
  }
  return content;
}

async function ask(token: string, query: string): Promise<unknown> {
  const response = await fetch(`${work.gateway.homeUrl}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify({ query }),
  });
  const { data, errors } = (await response.json()) as { data: unknown; errors?: unknown };
  expect(errors).toBeUndefined();
  return data;
}

test("a gateway without grants and peers serves its own users, and writes to no table of the federation", async () => {
  const token = await createToken(work.directory, "alice");
  const before = await federationContent();
  expect(Object.keys(before).length).toBeGreaterThan(8);
  const listed = await ask(
    token,
    '{ list(resource: "tasks", source: "local", order: [{ column: "due_on" }]) { rows } }',
  );
  const ids = (listed as { list: { rows: { id: string }[] } }).list.rows.map(({ id }) => id);
  // Hers and her teams', as the application's own policies have it.
  expect(ids.toSorted()).toEqual([task(1), task(2), task(3), task(4), task(5)].toSorted());
  const all = await ask(token, '{ list(resource: "tasks", source: "all") { rows sources { source status } } }');
  expect(all).toMatchObject({ list: { sources: [{ source: "local", status: "ok" }] } });
  const one = await ask(token, `{ get(resource: "tasks", id: "${task(2)}") { rows } }`);
  expect(one).toMatchObject({ get: { rows: [{ id: task(2) }] } });
  expect(await federationContent()).toEqual(before);
});

test("the application reads and writes as it did before, and writes to no table of the federation", async () => {
  const before = await federationContent();
  const client = await work.pool.connect();
  try {
    await client.query("begin; create role app_reader; grant usage on schema app to app_reader");
    await client.query("grant select, insert, update, delete on all tables in schema app to app_reader");
    await client.query("set local role app_reader; set local app.user_id = 'bob'");
    const seen = await client.query<{ id: string }>("select id from app.tasks order by id");
    expect(seen.rows.map(({ id }) => id)).toEqual([task(1), task(2), task(6)].toSorted());
    // The sample application writes as a role that its policies do not bind.
    await client.query("reset role");
    await client.query("insert into app.tasks (title, owner_id, team_id) values ('new', 'bob', 'platform')");
    await client.query("update app.tasks set title = 'changed' where owner_id = 'bob'");
    await client.query("delete from app.users where id = 'carol'");
    await client.query("reset role");
    const { rows } = await client.query("select count(*)::int as left from app.users where id = 'carol'");
    expect(rows).toEqual([{ left: 0 }]);
  } finally {
    await client.query("rollback");
    client.release();
  }
  expect(await federationContent()).toEqual(before);
});
