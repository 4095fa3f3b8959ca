import type { PoolClient } from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { ExplainedPolicy, Explanation } from "../../../src/explain/explanation.ts";
import { openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";
import { activeGrant, get, list } from "./peer.ts";
import type { PeerSession } from "./peer.ts";

// An application whose policies have names of its own, read a hidden column, and call a function of the table's owner. What that
// function runs as it says in a notice; it tries to become somebody else, to write, and to read grants.
const APPLICATION = `
  do $$ begin create role signed_in nologin; exception when duplicate_object or unique_violation then null; end $$;
  do $$ begin create role shelf_owner nologin; exception when duplicate_object or unique_violation then null; end $$;
  create schema shelf authorization shelf_owner;
  grant usage on schema shelf to signed_in;
  create table shelf.people (id text primary key);
  create table shelf.crews (person text, crew text);
  create table shelf.marks (mark text);
  grant insert on shelf.marks to public;
  create function shelf.me() returns text language sql stable as $$ select nullif(current_setting('shelf.user', true), '') $$;
  create function shelf.spy() returns boolean language plpgsql volatile as $$
  declare
    attempt text;
  begin
    -- A peer's own request, as this test makes it, comes from a superuser's connection, where the first attempt would succeed.
    if current_setting('shelf.attack', true) is distinct from 'on' then
      return true;
    end if;
    raise notice 'as %', current_user;
    foreach attempt in array array[
      'set local role postgres', 'set local role none', 'set local session authorization postgres', 'insert into shelf.marks values (''x'')',
      'select from federation.federation_grants', 'set local transaction read write', 'create temporary table t ()'
    ] loop
      begin
        execute attempt;
        raise notice 'managed: %', attempt;
      exception
        when others then null;
      end;
    end loop;
    return true;
  end
  $$;
  create domain shelf.book_key as integer check (shelf.spy());
  create table shelf.books (
    id shelf.book_key primary key, title text not null, owner text not null, crew text, archived boolean not null default false, tag text
  );
  create function shelf.as_text(shelf.books) returns text language sql as 'select case when shelf.spy() then ''cast'' end';
  create cast (shelf.books as text) with function shelf.as_text(shelf.books) as assignment;
  alter table shelf.books enable row level security;
  create policy "Own books" on shelf.books to signed_in using (owner = (select shelf.me()));
  create policy "Books of my crews" on shelf.books for select to signed_in
    using (crew in (select c.crew from shelf.crews c where c.person = (select shelf.me())));
  create policy "Nobody writes" on shelf.books for update to signed_in using (false);
  create policy "Not archived" on shelf.books as restrictive for select to signed_in using (not archived);
  create policy "Spied upon" on shelf.books as restrictive for select to public using (shelf.spy());
  create policy "Placed" on shelf.books as restrictive for select to signed_in using (ctid is not null);
  create policy "Whole rows" on shelf.books as restrictive for select to signed_in using (books is distinct from null::shelf.books);
  create policy "Nothing for peers" on shelf.books as restrictive for select to federation_peer using (tag is distinct from 'at home');
  alter table shelf.books owner to shelf_owner;
  grant select (id, title, owner, tag) on shelf.books to signed_in;
`;

let database: TestDatabase;
let peer: PeerSession;
let notices: string[];

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query(APPLICATION);
  await client.query(`
    insert into shelf.people values ('ann'), ('ben');
    insert into shelf.crews values ('ann', 'a'), ('ann', 'b'), ('ben', 'c');
    insert into shelf.books (id, title, owner, crew, archived, tag) values
      (1, 'own', 'ann', null, false, null), (2, 'of my crew', 'ben', 'a', false, null), (3, 'both', 'ann', 'b', false, null),
      (4, 'archived', 'ann', 'a', true, null), (5, 'of another', 'ben', 'c', false, null), (6, 'kept at home', 'ann', null, false, 'at home');
    select federation.bind_identity('shelf.people', 'id', 'shelf.crews', 'person', 'crew');
    select federation.register_resource(
      name => 'books', table_id => 'shelf.books', team => 'crew', hidden_columns => '{archived,crew}',
      identity_settings => '{"role": "signed_in", "settings": {"shelf.user": "{subject}"}}'
    )`);
  client.release();
  peer = await activeGrant(database, "ann", { resources: ["books"], include_teams: ["a"], include_personal: true });
});
afterAll(() => database.close());
beforeEach(() => {
  notices = [];
});

async function explain(id: string, role: "postgres" | "shelf_owner" | "federation_admin"): Promise<Explanation> {
  return database.transaction(async (client: PoolClient) => {
    await client.query("grant federation_admin to shelf_owner; set local shelf.attack = 'on'");
    client.on("notice", ({ message = "" }) => notices.push(message));
    await client.query(`set local role ${role}`);
    const { rows } = await client.query<{ said: Explanation }>("select federation.explain($1, 'books', $2) as said", [
      peer.grantId,
      id,
    ]);
    client.removeAllListeners("notice");
    const [row] = rows;
    if (row === undefined) {
      throw new Error("nothing was said");
    }
    return row.said;
  });
}

async function policies(id: string, role: "postgres" | "federation_admin"): Promise<Record<string, unknown>> {
  const { rows } = await explain(id, role);
  return Object.fromEntries(
    (rows[0]?.policies ?? []).map(({ name, admits, reason }: ExplainedPolicy) => [name, admits ?? reason]),
  );
}

const NAMES = {
  "Own books": true,
  "Books of my crews": true,
  "Not archived": true,
  "Spied upon": true,
  "Whole rows": true,
  "Nothing for peers": true,
  books_scope: true,
  // The place of a row in its table is not in the row: what it is not told of, explain does not guess.
  Placed: "42703",
};

test("each policy that binds a peer is named, and asked by itself, of a row of a table that the administrator's login owns", async () => {
  await database.pool.query("alter table shelf.books owner to postgres");
  try {
    expect(await policies("1", "postgres")).toEqual({ ...NAMES, "Books of my crews": false });
    expect(await policies("2", "postgres")).toEqual({ ...NAMES, "Own books": false });
    expect(await policies("3", "postgres")).toEqual({ ...NAMES, books_scope: false });
    expect(await policies("4", "postgres")).toEqual({ ...NAMES, "Not archived": false });
    expect(await policies("5", "postgres")).toEqual({
      ...NAMES,
      "Own books": false,
      "Books of my crews": false,
      books_scope: false,
    });
    expect(await policies("6", "postgres")).toEqual({
      ...NAMES,
      "Books of my crews": false,
      "Nothing for peers": false,
    });
  } finally {
    await database.pool.query("alter table shelf.books owner to shelf_owner");
  }
});

test("one that reads a hidden column is not asked for an administrator whose login cannot read the row", async () => {
  expect(await policies("1", "federation_admin")).toEqual({
    ...NAMES,
    "Books of my crews": "hidden column",
    "Not archived": "hidden column",
    "Whole rows": "hidden column",
    books_scope: "hidden column",
  });
  for (const id of ["4", "5", "9"]) {
    expect(await policies(id, "federation_admin")).toEqual({});
  }
});

test.each(["postgres", "federation_admin"] as const)("to %s, what decided is what the peer meets", async (role) => {
  const listed = (await list(database, peer, "books")).rows.map(({ id }) => String(id)).sort();
  expect(listed).toEqual(["1", "2"]);
  for (const [id, decidedBy] of [
    ["1", null],
    ["2", null],
    ["3", "team"],
    ["4", "native"],
    ["5", "native"],
    ["6", "policy"],
    ["9", "native"],
  ] as const) {
    const got = await get(database, peer, "books", id).then(
      () => null,
      (error: unknown) => (error as { code: string }).code,
    );
    const { rows, ...explained } = await explain(id, role);
    expect(explained, id).toMatchObject({ refused: got, decidedBy });
    expect(rows[0]?.served, id).toBe(got === null);
  }
});

test("a policy's code, a type's and a cast's run as a peer or a local user, whoever asks, and can neither write nor become another", async () => {
  for (const role of ["postgres", "federation_admin"] as const) {
    for (const id of ["1", "4", "5"]) {
      notices = [];
      await explain(id, role);
      expect([...new Set(notices)].sort(), `${role} ${id}`).toEqual(["as federation_peer", "as federation_user"]);
    }
  }
  // What it tries is not refused to it everywhere: to code that runs in a role which was only set, the login is still there to go back to.
  await database.transaction(async (client) => {
    notices = [];
    client.on("notice", ({ message = "" }) => notices.push(message));
    await client.query("grant usage on schema shelf to federation_peer; set local shelf.attack = 'on'");
    await client.query("set local role federation_peer; select shelf.spy()");
    client.removeAllListeners("notice");
  });
  expect(notices).toContain("managed: set local role postgres");
});

test("a table's owner reads it, and is told of every row, unless row-level security is forced on owners", async () => {
  expect((await explain("5", "shelf_owner")).rows[0]).toMatchObject({ exists: true, native: false });
  expect((await explain("9", "shelf_owner")).rows[0]).toMatchObject({ exists: false });
  await database.pool.query("alter table shelf.books force row level security");
  try {
    notices = [];
    for (const id of ["5", "9"]) {
      expect((await explain(id, "shelf_owner")).rows[0]).toMatchObject({ exists: null, native: false });
    }
    expect(notices).not.toContain("as shelf_owner");
  } finally {
    await database.pool.query("alter table shelf.books no force row level security");
  }
});
