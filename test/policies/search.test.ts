import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, asUser, seedPeople, seedRows } from "./actors.ts";
import type { Grant, Scope } from "./actors.ts";
import { IDEAS, makeIdeas, search, searchAll, texts } from "./search.ts";
import type { SearchArguments } from "./search.ts";
import { refusal } from "./verbs.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

const SCOPE = {
  resources: ["tasks", "notes", "credentials", IDEAS],
  excluded_resources: ["credentials"],
  include_teams: ["T1"],
  include_personal: true,
};

/** Olga of T1 and T2, Hugo of T2; their rows in tables with policies of their own and in one whose policies are ours. */
async function withWorld<T>(work: (client: PoolClient, grant: Grant) => Promise<T>, scope: Scope = SCOPE): Promise<T> {
  return database.transaction(async (client) => {
    await seedPeople(client, { olga: ["T1", "T2"], hugo: ["T2"] });
    await makeIdeas(client, [
      { id: 1, owner: "olga", team: null, title: "Renew the certificate", body: "before it ends" },
      { id: 2, owner: "hugo", team: "T1", title: "Lunch", body: "who forgot the certificate of attendance?" },
      { id: 3, owner: "olga", team: "T2", title: "Hidden by scope: certificate", body: null },
      { id: 4, owner: "hugo", team: null, title: "Hidden by right: certificate", body: null },
      { id: 5, owner: "olga", team: null, title: "Zebra crossing", body: "black and white" },
    ]);
    await seedRows(client, "tasks", [
      { owner: "olga", team: "T1", label: "Order a certificate holder" },
      { owner: "hugo", team: null, label: "Hidden by right: certificate, walrus" },
      { owner: "olga", team: "T2", label: "Hidden by scope: certificate, walrus" },
    ]);
    await seedRows(client, "notes", [{ owner: "olga", team: null, label: "The quick brown fox jumps" }]);
    await seedRows(client, "credentials", [{ owner: "olga", team: null, label: "certificate of the vault" }]);
    return work(client, await activeGrant(client, "olga", scope));
  });
}
const found = (client: PoolClient, grant: Grant, query: string, options: SearchArguments = {}): Promise<string[]> =>
  asPeer(client, grant, async () => texts(await search(client, query, options)));

describe("a search", () => {
  test("finds rows of native rights and scope in every resource that both allow, the better match first", async () => {
    await withWorld(async (client, grant) => {
      const titles = await found(client, grant, "certificate");
      expect([...titles].sort()).toEqual(["Lunch", "Order a certificate holder", "Renew the certificate"]);
      // The first text column weighs more than the second.
      expect(titles.at(-1)).toBe("Lunch");
    });
  });

  test("says where each hit is from, its row without what is hidden, and the place of the match", async () => {
    await withWorld(async (client, grant) => {
      const [hit] = (await asPeer(client, grant, () => search(client, "attendance"))).hits;
      expect(hit).toMatchObject({ resource: IDEAS, id: "2", row: { id: 2, title: "Lunch", owner_id: "hugo" } });
      expect(hit?.row).not.toHaveProperty("secret");
      expect(hit?.snippet).toEqual({
        column: "body",
        parts: [
          { text: "who forgot the certificate of ", match: false },
          { text: "attendance", match: true },
        ],
      });
    });
  });

  test.each([
    ["a phrase", '"brown fox"', ["The quick brown fox jumps"]],
    ["a phrase that is none", '"fox brown"', []],
    ["all of several words", "certificate renew", ["Renew the certificate"]],
    ["one or another", "zebra or fox", ["The quick brown fox jumps", "Zebra crossing"]],
    ["a word but not another", "certificate -renew -lunch", ["Order a certificate holder"]],
    [
      "the beginning of a word, where no word is so",
      "certif",
      ["Lunch", "Order a certificate holder", "Renew the certificate"],
    ],
    ["a word that was mistyped, where none begins so", "zebbra", ["Zebra crossing"]],
    ["a word with a letter too few", "certficate renw", ["Renew the certificate"]],
    ["one mistyped word or another", "zebbra or xylophone", ["Zebra crossing"]],
    ["two mistyped words, of which one is like nothing", "zebbra xylophone", []],
    ["what only a row out of scope and another's hold", "walrus", []],
    ["an excluded resource's row by its name", "vault", []],
    ["a hidden column's text", "unspeakable", []],
    ["what would be an operator", "fox & ! ( | <->", ["The quick brown fox jumps"]],
    ["a quote and a backslash", "it's \\ fox' :* 'x", ["The quick brown fox jumps"]],
  ])("for %s", async (_, query, titles) => {
    await withWorld(async (client, grant) => {
      expect([...(await found(client, grant, query))].sort()).toEqual(titles);
    });
  });

  test("goes page by page over all resources, and no row comes twice or not at all", async () => {
    await withWorld(async (client, grant) => {
      await seedRows(
        client,
        "notes",
        Array.from({ length: 7 }, () => ({ owner: "olga", team: "T1", label: "same words" })),
      );
      await client.query(
        `insert into app.ideas (id, owner_id, team_id, title) select n, 'olga', 'T1', 'same words' from generate_series(11, 17) as n`,
      );
      const hits = await asPeer(client, grant, () => searchAll(client, "same words", { first: 3 }));
      expect(hits).toHaveLength(14);
      expect(new Set(hits.map(({ resource, id }) => `${resource} ${id}`)).size).toBe(14);
      const ranks = hits.map(({ rank }) => rank);
      expect([...ranks].sort((a, b) => b - a)).toEqual(ranks);
    });
  });

  test("never gives more rows than the grant's cap, and says so", async () => {
    await withWorld(
      async (client, grant) => {
        const page = await asPeer(client, grant, () => search(client, "certificate", { first: 10 }));
        expect(page.hits).toHaveLength(2);
        expect(page).toMatchObject({ capped: true, nextCursor: expect.any(String) as unknown });
      },
      { ...SCOPE, max_rows_per_query: 2 },
    );
  });

  test("by a local user finds what that user may see, and nothing of a grant", async () => {
    await withWorld(async (client) => {
      const rows = (user: string): Promise<string[]> =>
        asUser(client, user, async () => {
          const { rows: pages } = await client.query<{ page: { hits: { row: { title?: string; name?: string } }[] } }>(
            "select federation.search_rows('certificate', federation.require_searchable(null), 50, null, null, null, 100) as page",
          );
          return pages[0]?.page.hits.map(({ row }) => row.title ?? row.name ?? "").sort() ?? [];
        });
      expect(await rows("olga")).toEqual([
        "Hidden by scope: certificate",
        "Hidden by scope: certificate, walrus",
        "Lunch",
        "Order a certificate holder",
        "Renew the certificate",
        "certificate of the vault",
      ]);
      expect(await rows("hugo")).toEqual([
        "Hidden by right: certificate",
        "Hidden by right: certificate, walrus",
        "Hidden by scope: certificate",
        "Hidden by scope: certificate, walrus",
        "Lunch",
      ]);
    });
  });

  test.each<[string, string, SearchArguments, string]>([
    ["nothing", " ", {}, "BAD_REQUEST"],
    ["more than 256 characters", "x".repeat(257), {}, "BAD_REQUEST"],
    ["no rows", "x", { first: 0 }, "BAD_REQUEST"],
    ["an unknown mode", "x", { mode: "psychic" }, "BAD_REQUEST"],
    ["hybrid without a vector", "x", { mode: "hybrid" }, "BAD_REQUEST"],
    ["a vector without hybrid", "x", { vector: [1] }, "BAD_REQUEST"],
    ["a vector of nothing", "x", { mode: "hybrid", vector: [] }, "BAD_REQUEST"],
    ["no resource", "x", { resources: [] }, "BAD_REQUEST"],
    ["an excluded resource", "x", { resources: ["tasks", "credentials"] }, "RESOURCE_DENIED"],
    ["a resource out of scope", "x", { resources: ["projects"] }, "RESOURCE_DENIED"],
    ["an unknown resource", "x", { resources: ["nothing"] }, "RESOURCE_DENIED"],
    ["SQL for a resource", "x", { resources: ["tasks'; select 1; --"] }, "RESOURCE_DENIED"],
    ["a cursor that is none", "x", { after: "x" }, "BAD_REQUEST"],
  ])("for %s is refused", async (_, query, options, code) => {
    await withWorld(async (client, grant) => {
      expect(await refusal(asPeer(client, grant, () => search(client, query, options)))).toBe(code);
    });
  });

  test("takes no cursor of another search, nor of another grant", async () => {
    await withWorld(async (client, grant) => {
      const after = (await asPeer(client, grant, () => search(client, "certificate", { first: 1 }))).nextCursor;
      expect(await found(client, grant, "certificate", { after, first: 1 })).toHaveLength(1);
      const other = await activeGrant(client, "olga", SCOPE);
      for (const [who, query, options] of [
        [grant, "lunch", {}],
        [grant, "certificate", { resources: [IDEAS] }],
        [other, "certificate", {}],
      ] satisfies [Grant, string, SearchArguments][]) {
        expect(await refusal(asPeer(client, who, () => search(client, query, { ...options, after })))).toBe(
          "BAD_REQUEST",
        );
      }
    });
  });
});

describe("the index of words", () => {
  const kept = async (client: PoolClient): Promise<string[]> => {
    const { rows } = await client.query<{ row_key: string }>(
      "select row_key from federation.federation_search_documents where resource_name = $1 order by row_key",
      [IDEAS],
    );
    return rows.map(({ row_key }) => row_key);
  };

  test("follows every write of the table, and goes with the registration", async () => {
    await withWorld(async (client, grant) => {
      expect(await kept(client)).toEqual(["1", "2", "3", "4", "5"]);
      await client.query("update app.ideas set title = 'A walrus' where id = 5");
      expect(await found(client, grant, "walrus")).toEqual(["A walrus"]);
      expect(await found(client, grant, "zebra")).toEqual([]);
      await client.query("update app.ideas set owner_id = 'hugo' where id = 5");
      expect(await found(client, grant, "walrus")).toEqual([]);
      await client.query("update app.ideas set team_id = 'T1', id = 50 where id = 5");
      expect(await found(client, grant, "walrus")).toEqual(["A walrus"]);
      await client.query("delete from app.ideas where id = 50");
      expect(await kept(client)).toEqual(["1", "2", "3", "4"]);
      await client.query("truncate app.ideas");
      expect(await kept(client)).toEqual([]);
    });
    await database.transaction(async (client) => {
      await seedPeople(client, { olga: [] });
      await makeIdeas(client, [{ id: 1, owner: "olga", team: null, title: "x", body: null }]);
      await client.query(`select federation.unregister_resource('${IDEAS}')`);
      expect(await kept(client)).toEqual([]);
      await client.query("insert into app.ideas (id, owner_id, title) values (2, 'olga', 'y')");
      const { rows } = await client.query(
        "select from pg_trigger where tgrelid = 'app.ideas'::regclass and not tgisinternal",
      );
      expect(rows).toEqual([]);
    });
  });

  test("makes no write of the application fail, however long or odd the text", async () => {
    await withWorld(async (client, grant) => {
      const odd = `needle ${"ä".repeat(3_000)} ${Array.from({ length: 40_000 }, (_, n) => n.toString(36)).join(" ")}`;
      await client.query("insert into app.ideas (id, owner_id, title, body) values (6, 'olga', $1, $1)", [odd]);
      await client.query(
        "insert into app.ideas (id, owner_id, title) select 7, 'olga', string_agg(chr(n), ' ') from generate_series(20000, 50000) as n",
      );
      expect((await asPeer(client, grant, () => search(client, "needle"))).hits.map(({ id }) => id)).toEqual(["6"]);
    });
  });

  test.each([
    ["a policy was added", "create policy more on app.ideas for select to federation_peer using (title like 'Zebra%')"],
    ["a trigger was disabled", "alter table app.ideas disable trigger ideas_words"],
  ])("is not relied on once %s", async (_, statement) => {
    await withWorld(async (client, grant) => {
      await client.query(statement);
      const { rows } = await client.query("select is_indexed from federation.describe_search('ideas')");
      expect(rows).toEqual([{ is_indexed: false }]);
      await client.query("insert into app.ideas (id, owner_id, title) values (6, 'olga', 'A walrus')");
      expect(await found(client, grant, "walrus")).toEqual(["A walrus"]);
    });
  });

  test("lets nobody of the federation read the words themselves", async () => {
    await withWorld(async (client, grant) => {
      expect(
        await refusal(asPeer(client, grant, () => client.query("select from federation.federation_search_documents"))),
      ).toBe("42501");
    });
  });

  test("reads no row but those behind the session's own prefixes, in a small table and in a large one", async () => {
    await withWorld(async (client, grant) => {
      const reads = async (): Promise<{ fetched: number; scans: number; others: number }> => {
        const { rows } = await client.query<{ fetched: number; scans: number; others: number }>(`
          select
            (pg_stat_get_xact_tuples_fetched(t.id) + pg_stat_get_xact_tuples_returned(t.id))::integer as fetched,
            pg_stat_get_xact_numscans('federation.federation_search_documents_scoped_idx'::regclass)::integer as scans,
            (pg_stat_get_xact_numscans(t.id) + pg_stat_get_xact_numscans('federation.federation_search_documents_pkey'::regclass))::integer as others
          from (values ('federation.federation_search_documents'::regclass)) as t (id)`);
        return rows[0] ?? { fetched: -1, scans: -1, others: -1 };
      };
      for (const hidden of [0, 3_000]) {
        await client.query(
          `insert into app.ideas (id, owner_id, title) select n, 'hugo', 'walrus ' || n from generate_series(100, 99 + $1::integer) as n`,
          [hidden],
        );
        await client.query("analyze federation.federation_search_documents");
        for (const [query, read, hits] of [
          ["walrus", 0, 0],
          ["zebra", 1, 1],
          ["-lunch", 3, 2],
        ] as const) {
          const before = await reads();
          const after = await asPeer(client, grant, async () => {
            const { rows } = await client.query(
              "select * from federation.search_candidates('ideas', websearch_to_tsquery('simple', $1), null, null, 10)",
              [query],
            );
            expect(rows).toHaveLength(hits);
            // As the superuser again: a peer may not ask.
            await client.query("reset role");
            return reads();
          });
          expect({ query, hidden, fetched: after.fetched - before.fetched }).toEqual({ query, hidden, fetched: read });
          expect(after.others - before.others).toBe(0);
          expect(after.scans - before.scans).toBeGreaterThan(0);
        }
      }
    });
  });
});
