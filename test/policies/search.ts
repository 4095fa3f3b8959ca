import type { PoolClient } from "pg";
import { only } from "./verbs.ts";

/** What `federation_api.search` returns. */
export interface HitPage {
  hits: Hit[];
  nextCursor: string | null;
  capped: boolean;
}

/** One row that was found. */
export interface Hit {
  resource: string;
  id: string;
  rank: number;
  snippet: { column: string; parts: { text: string; match: boolean }[] } | null;
  row: Record<string, unknown>;
}

/** Arguments of `federation_api.search` beside the query. */
export interface SearchArguments {
  resources?: string[];
  first?: number;
  after?: string | null;
  mode?: string;
  vector?: number[];
}

/** One page, as whoever the transaction is. */
export async function search(client: PoolClient, query: string, options: SearchArguments = {}): Promise<HitPage> {
  const { rows } = await client.query<{ page: HitPage }>(
    "select federation_api.search($1, $2, $3, $4, $5, $6) as page",
    [
      query,
      options.resources ?? null,
      options.first ?? null,
      options.after ?? null,
      options.mode ?? null,
      options.vector ?? null,
    ],
  );
  return only(rows).page;
}

/** All pages, one after the other, as whoever the transaction is. */
export async function searchAll(client: PoolClient, query: string, options: SearchArguments = {}): Promise<Hit[]> {
  const all: Hit[] = [];
  let after: string | null = null;
  do {
    const page: HitPage = await search(client, query, { ...options, after });
    all.push(...page.hits);
    after = page.nextCursor;
  } while (after !== null);
  return all;
}

/** What names each hit's row to people. */
export function texts(page: HitPage): string[] {
  return page.hits.map(({ row }) => String(row["title"] ?? row["name"]));
}

/** A resource whose policies are ours, so that its words are indexed. */
export const IDEAS = "ideas";

/** A row of it. */
export interface Idea {
  id: number;
  owner: string;
  team: string | null;
  title: string;
  body: string | null;
}

/** Makes the table of a resource without policies of its own, and registers it. */
export async function makeIdeas(client: PoolClient, rows: readonly Idea[], resource = IDEAS): Promise<void> {
  await client.query(
    `create table app.${resource} (
       id integer primary key, owner_id text not null, team_id text, title text not null, body text, secret text default 'unspeakable'
     )`,
  );
  const half = Math.ceil(rows.length / 2);
  await insertIdeas(client, rows.slice(0, half), resource);
  await client.query(
    `select federation.register_resource(
       name => $1, table_id => $2::regclass, owner => 'owner_id', team => 'team_id', text_columns => '{title,body}',
       hidden_columns => '{secret}'
     )`,
    [resource, `app.${resource}`],
  );
  await insertIdeas(client, rows.slice(half), resource);
}

async function insertIdeas(client: PoolClient, rows: readonly Idea[], resource: string): Promise<void> {
  await client.query(
    `insert into app.${resource} (id, owner_id, team_id, title, body)
     select * from unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::text[])`,
    [
      rows.map(({ id }) => id),
      rows.map(({ owner }) => owner),
      rows.map(({ team }) => team),
      rows.map(({ title }) => title),
      rows.map(({ body }) => body),
    ],
  );
}
