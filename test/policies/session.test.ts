import { join } from "node:path";
import type { PoolClient } from "pg";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { packageRoot } from "../../src/config/package-root.ts";
import { readSqlFiles } from "../../src/database/apply-sql.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { fingerprintFor } from "../harness/fingerprint.ts";
import { activeGrant, asPeer, asRole, asUser, enterAsPeer, seedPeople, seedRows } from "./actors.ts";
import type { Grant } from "./actors.ts";
import { codeOf, list, only, refusal, visibleIds } from "./verbs.ts";

let database: TestDatabase;
let grant: Grant;
let personal: string;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

beforeEach(async () => {
  const client = await database.pool.connect();
  await client.query("begin");
  await client.query("truncate app.users cascade");
  await seedPeople(client, { olga: ["t1"], mia: ["t1"] });
  personal = only(await seedRows(client, "tasks", [{ owner: "olga", team: null }]));
  grant = await activeGrant(client, "olga", { resources: ["tasks"], include_personal: true });
  await client.query("commit");
  client.release();
});

/** What a peer sees after it has written a session setting by its own hand. */
async function seenWith(client: PoolClient, setting: string, value: string): Promise<string[]> {
  return asRole(
    client,
    "federation_peer",
    async () => {
      await client.query("select set_config($1, $2, true)", [setting, value]);
      const seen = await visibleIds(client, "tasks");
      // The verbs and the policies agree.
      expect(await refusalInside(client)).toBe(seen.length === 0 ? "GRANT_UNKNOWN" : undefined);
      return seen;
    },
    "rollback",
  );
}

async function refusalInside(client: PoolClient): Promise<string | undefined> {
  await client.query("savepoint verb");
  const outcome = await list(client, "tasks").then(() => undefined, codeOf);
  await client.query("rollback to verb");
  return outcome;
}

/** The session setting of a peer's transaction, as text. */
async function sessionText(client: PoolClient): Promise<string> {
  return asPeer(client, grant, async () => {
    const { rows } = await client.query<{ value: string }>("select current_setting('federation.session') as value");
    return only(rows).value;
  });
}

/** A session with a right code over any payload, as only federation_owner can make one. */
async function sealed(client: PoolClient, payload: unknown, purpose = "session"): Promise<string> {
  const text = JSON.stringify(payload);
  const { rows } = await client.query<{ value: string }>("select federation.mac($1, $2) || $2 as value", [
    purpose,
    text,
  ]);
  return only(rows).value;
}

test("a session that was opened for the grant sees the row", async () => {
  await database.transaction(async (client) => {
    expect(await asPeer(client, grant, () => visibleIds(client, "tasks"))).toEqual([personal]);
  });
});

test("without a session a peer's role sees no row and every verb is refused", async () => {
  await database.transaction(async (client) => {
    expect(await seenWith(client, "federation.session", "")).toEqual([]);
    expect(await visibleIds(client, "tasks")).toEqual([personal]);
  });
});

test("the identity setting of the application, set by hand, shows a peer nothing", async () => {
  await database.transaction(async (client) => {
    expect(await seenWith(client, "app.user_id", "olga")).toEqual([]);
  });
});

test.each(["0".repeat(64), "", "f".repeat(63), "not a code at all"])(
  "a session setting with the forged code %j shows a peer nothing",
  async (code) => {
    await database.transaction(async (client) => {
      const payload = (await sessionText(client)).slice(64);
      expect(JSON.parse(payload)).toMatchObject({ kind: "peer", grant: grant.id });
      await client.query("select set_config('app.user_id', 'olga', true)");
      expect(await seenWith(client, "federation.session", code + payload)).toEqual([]);
    });
  },
);

test("a session setting is good in its own transaction, and cut or changed by a character it is not", async () => {
  await database.transaction(async (client) => {
    const text = await sessionText(client);
    await client.query("select set_config('app.user_id', 'olga', true)");
    expect(await seenWith(client, "federation.session", text)).toEqual([personal]);
    expect(await seenWith(client, "federation.session", text.slice(0, -1))).toEqual([]);
    expect(await seenWith(client, "federation.session", text.replace(grant.id, grant.id.toUpperCase()))).toEqual([]);
  });
});

test("a session that was copied from another transaction shows a peer nothing", async () => {
  const text = await database.transaction(sessionText);
  await database.transaction(async (client) => {
    // A clock of milliseconds, as the embedded database may have, could begin two transactions at once.
    await client.query("select pg_sleep(0.005)");
    await client.query("rollback");
    await client.query("begin");
    await client.query("select set_config('app.user_id', 'olga', true)");
    expect(await seenWith(client, "federation.session", text)).toEqual([]);
  });
});

test("a rightly coded session of another backend, another moment, another purpose or another certificate shows a peer nothing", async () => {
  await database.transaction(async (client) => {
    await client.query("select set_config('app.user_id', 'olga', true)");
    const { rows } = await client.query<{ pid: string; epoch: string }>(
      "select pg_backend_pid()::text as pid, extract(epoch from transaction_timestamp())::text as epoch",
    );
    const { pid, epoch } = only(rows);
    const session = { kind: "peer", grant: grant.id, serial: grant.serial };
    const good = { ...session, stamp: `${pid} ${epoch}` };
    expect(await seenWith(client, "federation.session", await sealed(client, good))).toEqual([personal]);
    for (const wrong of [
      { ...good, stamp: `${Number(pid) + 1} ${epoch}` },
      { ...good, stamp: `${pid} ${Number(epoch) + 1}` },
      session,
      { ...good, kind: "user", user: "olga" },
      { ...good, serial: "00ff" },
    ]) {
      const text = await sealed(client, wrong);
      const seen = await asRole(
        client,
        "federation_peer",
        async () => {
          await client.query("select set_config('federation.session', $1, true)", [text]);
          return visibleIds(client, "tasks");
        },
        "rollback",
      );
      expect(seen, JSON.stringify(wrong)).toEqual([]);
    }
    expect(await seenWith(client, "federation.session", await sealed(client, good, "cursor"))).toEqual([]);
  });
});

test("a session, a renewal and a confirmation are for the very certificate that was recorded: by another one of its serial there is none", async () => {
  await database.transaction(async (client) => {
    const own = fingerprintFor(grant.serial);
    const next = "0123456789abcdef";
    const asked: Record<string, (fingerprint: string | null) => Promise<unknown>> = {
      enter: (fingerprint) =>
        client.query("select federation.enter_as_peer($1, 'olga', $2, $3)", [grant.id, grant.serial, fingerprint]),
      begin: (fingerprint) =>
        client.query("select federation.begin_renewal($1, 'olga', $2, $3)", [grant.id, grant.serial, fingerprint]),
      record: (fingerprint) =>
        client.query("select federation.record_renewal($1, 'olga', $2, $3, $4, $5, now(), now() + interval '1 day')", [
          grant.id,
          grant.serial,
          fingerprint,
          next,
          fingerprintFor(next),
        ]),
      confirm: (fingerprint) =>
        client.query("select federation.confirm_certificate($1, 'olga', $2, $3)", [
          grant.id,
          grant.serial,
          fingerprint,
        ]),
    };
    for (const [what, ask] of Object.entries(asked)) {
      for (const wrong of [fingerprintFor("another"), own.toUpperCase(), own.slice(0, 63), "", null]) {
        const refused = await refusal(asRole(client, "federation_gateway", () => ask(wrong)));
        expect(refused, `${what} by ${wrong}`).toBe("CERTIFICATE_UNKNOWN");
      }
      await asRole(client, "federation_gateway", () => ask(own), "rollback");
    }
  });
});

test("what an earlier release opened sessions and renewed by, without the certificate itself, goes when this one is applied", async () => {
  const names = ["enter_as_peer", "begin_renewal", "record_renewal", "confirm_certificate"];
  const withoutIt = async (client: PoolClient): Promise<unknown> => {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::integer as count from pg_proc
       where pronamespace = 'federation'::regnamespace and proname = any ($1) and not 'renewed_from_fingerprint' = any (proargnames)
         and (proname = 'record_renewal' or not 'fingerprint' = any (proargnames))`,
      [names],
    );
    return only(rows).count;
  };
  await database.transaction(async (client) => {
    await client.query("set local role federation_owner");
    for (const [name, types] of [
      ["enter_as_peer", "grant_id uuid, subject text, serial text"],
      ["begin_renewal", "grant_id uuid, subject text, serial text"],
      [
        "record_renewal",
        "grant_id uuid, subject text, renewed_from text, serial text, fingerprint text, not_before timestamptz, not_after timestamptz",
      ],
      ["confirm_certificate", "grant_id uuid, subject text, serial text"],
    ]) {
      await client.query(
        `create function federation.${name}(${types}) returns void language sql begin atomic; select; end`,
      );
    }
    expect(await withoutIt(client)).toBe(names.length);
    for (const { path, text } of readSqlFiles(join(packageRoot(), "sql"))) {
      if (/050_enter_as_peer|035_renewal/.test(path)) {
        await client.query(text);
      }
    }
    expect(await withoutIt(client)).toBe(0);
  });
});

test("a session ends with its transaction", async () => {
  const client = await database.pool.connect();
  try {
    await client.query("begin");
    await enterAsPeer(client, grant);
    await client.query("commit");
    await client.query("begin");
    await client.query("set local role federation_peer");
    expect(await visibleIds(client, "tasks")).toEqual([]);
    const { rows } = await client.query<{ session: string; user: string }>(
      `select coalesce(current_setting('federation.session', true), '') as session,
              coalesce(current_setting('app.user_id', true), '') as user`,
    );
    expect(rows).toEqual([{ session: "", user: "" }]);
  } finally {
    await client.query("rollback");
    client.release();
  }
});

test("a local user's session gives native rights to federation_user and none to federation_peer", async () => {
  await database.transaction(async (client) => {
    expect(await asUser(client, "olga", () => visibleIds(client, "tasks"))).toEqual([personal]);
    expect(await asUser(client, "mia", () => visibleIds(client, "tasks"))).toEqual([]);
    expect(await refusal(asUser(client, "nobody", () => visibleIds(client, "tasks")))).toBe("SUBJECT_UNKNOWN");
    await client.query("select federation.enter_as_user('olga')");
    expect(await asRole(client, "federation_peer", () => visibleIds(client, "tasks"), "rollback")).toEqual([]);
  });
});

test("under a session for one subject the other subject's rows stay hidden whatever resource the scope names", async () => {
  await database.transaction(async (client) => {
    const [team = ""] = await seedRows(client, "notes", [{ owner: "olga", team: "t1" }]);
    const mia = await activeGrant(client, "mia", {
      resources: ["tasks", "notes"],
      include_teams: "*",
      include_personal: true,
    });
    expect(await asPeer(client, mia, () => visibleIds(client, "tasks"))).toEqual([]);
    expect(await asPeer(client, mia, () => visibleIds(client, "notes"))).toEqual([team]);
  });
});
