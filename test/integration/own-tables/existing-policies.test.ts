import { randomUUID } from "node:crypto";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { activeGrant, asPeer, enterAsPeer, get, list } from "./peer.ts";
import { snapshot } from "./snapshot.ts";
import type { Snapshot } from "./snapshot.ts";

let database: TestDatabase;
let before: Snapshot;

const ann = randomUUID();
const ben = randomUUID();
const RELATIONS = ["public.documents", "public.team_members", "auth.users"];
const SCOPE = { resources: ["documents"], include_teams: "*", include_personal: true };

// An application in the way of Supabase and PostgREST: the API signs people in as `authenticated` and hands on what their token
// claims in request.jwt.claims; policies ask auth.uid().
const APPLICATION = `
  do $$ begin create role authenticated nologin; exception when duplicate_object or unique_violation then null; end $$;
  create schema auth;
  create table auth.users (id uuid primary key, email text not null);
  create function auth.uid() returns uuid language sql stable
    as $$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $$;
  create function auth.role() returns text language sql stable
    as $$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role' $$;
  create table public.team_members (
    user_id uuid not null references auth.users, team_id integer not null, primary key (user_id, team_id)
  );
  create table public.documents (
    id uuid primary key default gen_random_uuid(), title text not null, user_id uuid not null references auth.users,
    team_id integer, archived boolean not null default false
  );
  alter table public.team_members enable row level security;
  alter table public.documents enable row level security;
  create policy "Own memberships" on public.team_members for select to authenticated using (user_id = (select auth.uid()));
  create policy "Own documents" on public.documents to authenticated
    using ((select auth.uid()) = user_id) with check ((select auth.uid()) = user_id);
  create policy "Documents of my teams" on public.documents for select to authenticated
    using (team_id in (select m.team_id from public.team_members m where m.user_id = (select auth.uid())));
  create policy "Signed in, and not archived" on public.documents as restrictive for select to authenticated
    using ((select auth.role()) = 'authenticated' and not archived);
  grant usage on schema auth to authenticated;
  grant select on public.team_members to authenticated;
  grant select, insert, update, delete on public.documents to authenticated;
`;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.pool.query(APPLICATION);
  await database.pool.query("insert into auth.users values ($1, 'ann@example.org'), ($2, 'ben@example.org')", [
    ann,
    ben,
  ]);
  await database.pool.query("insert into public.team_members values ($1, 1), ($1, 2), ($2, 3)", [ann, ben]);
  await database.pool.query(
    `insert into public.documents (title, user_id, team_id, archived) values
      ('ann personal', $1, null, false), ('ann in 1', $1, 1, false), ('ann in 3', $1, 3, false), ('ann archived', $1, null, true),
      ('ben personal', $2, null, false), ('ben in 1', $2, 1, false), ('ben in 2', $2, 2, false), ('ben in 3', $2, 3, false)`,
    [ann, ben],
  );
  await database.pool.query(
    "select federation.bind_identity('auth.users', 'id', 'public.team_members', 'user_id', 'team_id')",
  );
  before = await snapshot(database.pool, RELATIONS, ["authenticated"]);
  await database.pool.query(`
    select federation.register_resource(
      name => 'documents', table_id => 'public.documents', team => 'team_id',
      identity_settings => '{
        "role": "authenticated",
        "settings": {"request.jwt.claims": {"sub": "{subject}", "role": "authenticated"}}
      }'
    )`);
});
afterAll(() => database.close());

async function titles(subject: string, scope: object): Promise<unknown[]> {
  const peer = await activeGrant(database, subject, scope);
  return (await list(database, peer, "documents")).rows.map((row) => row["title"]).sort();
}

/** Runs statements as the application's API would: as `authenticated`, with a person's claims. */
function signedIn<T>(subject: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
  return database.transaction(async (client) => {
    await client.query("select set_config('request.jwt.claims', $1, true)", [
      JSON.stringify({ sub: subject, role: "authenticated" }),
    ]);
    await client.query("set local role authenticated");
    return work(client);
  });
}

test("under the widest scope a peer is served what the subject's own sign-in shows, save what belongs to a team that the subject is not in", async () => {
  for (const subject of [ann, ben]) {
    const shown = await signedIn(subject, (client) =>
      client.query<{ title: string }>(
        `select title from public.documents
         where team_id is null or team_id in (select m.team_id from public.team_members m)
         order by title`,
      ),
    );
    expect(shown.rows.length).toBeGreaterThan(1);
    expect(await titles(subject, SCOPE)).toEqual(shown.rows.map((row) => row.title));
  }
  expect(await titles(ann, SCOPE)).toEqual(["ann in 1", "ann personal", "ben in 1", "ben in 2"]);
});

test("a row that another user owns is not served, though the scope would allow it", async () => {
  const peer = await activeGrant(database, ann, SCOPE);
  const { rows } = await database.pool.query<{ id: string }>(
    "select id from public.documents where title = 'ben personal'",
  );
  await expect(get(database, peer, "documents", rows[0]?.id ?? "")).rejects.toMatchObject({ code: "MF011" });
});

test("a restrictive policy of the application's own holds for the peer as well", async () => {
  const peer = await activeGrant(database, ann, SCOPE);
  const { rows } = await database.pool.query<{ id: string }>(
    "select id from public.documents where title = 'ann archived'",
  );
  expect(rows).toHaveLength(1);
  await expect(get(database, peer, "documents", rows[0]?.id ?? "")).rejects.toMatchObject({ code: "MF011" });
});

test("the scope narrows what the application's policies show", async () => {
  expect(await titles(ann, { resources: ["documents"], include_teams: ["1"] })).toEqual(["ann in 1", "ben in 1"]);
  expect(await titles(ann, { resources: ["documents"], include_personal: true })).toEqual(["ann personal"]);
  expect(await titles(ann, { resources: ["documents"], include_teams: ["3"] })).toEqual([]);
  expect(
    await titles(ann, { resources: ["tasks"], include_teams: "*" }).catch((error: unknown) => error),
  ).toMatchObject({
    code: "MF010",
  });
});

test("registration adds no permissive policy of its own: without the application's policies nothing is served", async () => {
  const peer = await activeGrant(database, ann, SCOPE);
  await database.transaction(async (client) => {
    await client.query(
      'drop policy "Own documents" on public.documents; drop policy "Documents of my teams" on public.documents',
    );
    await enterAsPeer(client, peer);
    await client.query("set local role federation_peer");
    const { rows } = await client.query("select federation_api.list('documents') -> 'rows' as rows");
    expect(rows).toEqual([{ rows: [] }]);
  });
});

test("the policies read the subject's claims, for the transaction only", async () => {
  const peer = await activeGrant(database, ann, SCOPE);
  const read = "select nullif(current_setting('request.jwt.claims', true), '')::jsonb as claims";
  const inside = await asPeer(database, peer, (client) => client.query(read));
  expect(inside.rows).toEqual([{ claims: { sub: ann, role: "authenticated" } }]);
  expect((await database.pool.query(read)).rows).toEqual([{ claims: null }]);
});

test("the application reads and writes as before: the scope policy is for peers alone", async () => {
  await signedIn(ann, async (client) => {
    await client.query("insert into public.documents (title, user_id) values ('new', $1)", [ann]);
    expect((await client.query("update public.documents set title = title || '!'")).rowCount).toBe(4);
    expect((await client.query("delete from public.documents where title = 'new!'")).rowCount).toBe(1);
  });
});

test.each([
  ["a superuser's role", { role: "postgres" }],
  ["a role that does not exist", { role: "nobody_at_all" }],
  ["a role of the federation", { role: "federation_owner" }],
  ["the setting that holds the federation's session", { settings: { "federation.session": "x" } }],
  ["a setting that is a parameter of the server", { settings: { search_path: "x" } }],
  [
    "a value for request.jwt.claims that differs from another resource's",
    { settings: { "request.jwt.claims": "{subject}" } },
  ],
  ["a key that there is not", { roles: ["authenticated"] }],
])("identity settings with %s are refused", async (_, settings) => {
  await expect(
    database.transaction((client) =>
      client.query(
        "select federation.register_resource('members', 'public.team_members', key_column => 'user_id', identity_settings => $1)",
        [settings],
      ),
    ),
  ).rejects.toMatchObject({ code: "MF022" });
});

test("after unregistering, the table, its policies and the role's members are as they were found", async () => {
  expect(await snapshot(database.pool, RELATIONS, ["authenticated"])).not.toEqual(before);
  await database.pool.query(
    "select federation.revoke_grant(g.id) from federation.list_grants() g where g.ended_at is null",
  );
  await database.pool.query("select federation.unregister_resource('documents')");
  expect(await snapshot(database.pool, RELATIONS, ["authenticated"])).toEqual(before);
});
