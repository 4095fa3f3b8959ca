import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, createGrant } from "./actors.ts";
import { shown } from "./grants.ts";
import { only, refusal } from "./verbs.ts";

const PERSONAL = { resources: ["tasks"], include_personal: true };

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
});
afterAll(() => database.close());

async function ending(client: PoolClient, { id }: { id: string }): Promise<unknown> {
  const { status, end_reason } = await shown(client, id);
  return { status, end_reason };
}

// A type whose text depends on a setting, a value, and the setting under which it reads otherwise than by default.
const SPELLINGS = [
  ["bytea", "\\x00ff41", "bytea_output", "escape"],
  ["date", "2024-03-05", "datestyle", "SQL, DMY"],
  ["interval", "1 day 02:00:00", "intervalstyle", "iso_8601"],
  ["timestamptz", "2024-03-05 12:00:00+00", "timezone", "America/New_York"],
  ["double precision", "0.30000000000000004", "extra_float_digits", "0"],
] as const;

describe("a key whose text depends on the settings of a session", () => {
  /** Users and memberships by keys of a type, bound; one user, in one team of the same key. */
  async function bindSpelt(client: PoolClient, type: string, key: string): Promise<void> {
    await client.query(`
      create schema spelt;
      create table spelt.people (id ${type} primary key);
      create table spelt.crews (person ${type}, crew ${type});
      create index on spelt.crews (person);
      select federation.bind_identity('spelt.people', 'id', 'spelt.crews', 'person', 'crew')`);
    await client.query("insert into spelt.people values ($1)", [key]);
    await client.query("insert into spelt.crews values ($1, $1)", [key]);
  }
  const setTo = (client: PoolClient, setting: string, value: string | undefined): Promise<unknown> =>
    value === undefined
      ? client.query(`set local ${setting} to default`)
      : client.query("select set_config($1, $2, true)", [setting, value]);
  /** What a session reads the key as. */
  const spelt = async (client: PoolClient): Promise<string> => {
    const { rows } = await client.query<{ id: string }>("select id::text as id from spelt.people");
    return only(rows).id;
  };

  describe.each(SPELLINGS)("of type %s (%s, by %s = %s)", (type, key, setting, value) => {
    test.each([
      ["deletes the user", value, undefined],
      ["created the grant", undefined, value],
    ])("ends with its user, whatever is set where who %s", async (_who, later, sooner) => {
      await database.transaction(async (client) => {
        await bindSpelt(client, type, key);
        await setTo(client, setting, sooner);
        const [name, grant] = [await spelt(client), await activeGrant(client, key, PERSONAL)];
        await setTo(client, setting, later);
        expect(await spelt(client)).not.toBe(name);
        await client.query("delete from spelt.people");
        expect(await ending(client, grant)).toEqual({ status: "revoked", end_reason: "subject deleted" });
        await client.query("insert into spelt.people values ($1)", [key]);
        expect(await refusal(asPeer(client, grant, () => Promise.resolve()))).toBe("GRANT_REVOKED");
        const inviting = client.query("select federation.create_enrollment_token($1)", [grant.id]);
        expect(await refusal(inviting)).toBe("CONFLICT");
      });
    });

    test("names a team, too: the grant ends with its last membership", async () => {
      await database.transaction(async (client) => {
        await bindSpelt(client, type, key);
        const grant = await activeGrant(client, key, { resources: ["tasks"], include_teams: [key] });
        await setTo(client, setting, value);
        await client.query("delete from spelt.crews");
        expect(await ending(client, grant)).toEqual({ status: "revoked", end_reason: "subject left the last team" });
      });
    });

    test("is one user and one team, whatever is set where that is asked", async () => {
      await database.transaction(async (client) => {
        await bindSpelt(client, type, key);
        const ask = async (): Promise<unknown> => {
          const { rows } = await client.query(
            `select federation.subject_exists($1) as "exists", federation.subject_key($1) as key, federation.subject_teams($1) as teams`,
            [key],
          );
          return only(rows);
        };
        const answer = await ask();
        expect(answer).toEqual({ exists: true, key, teams: [key] });
        await setTo(client, setting, value);
        expect(await ask()).toEqual(answer);
      });
    });
  });

  test("is read as the administrator's session reads it, who grants", async () => {
    await database.transaction(async (client) => {
      await bindSpelt(client, "date", "2024-03-05");
      await client.query("insert into spelt.people values ('2024-05-03')");
      await setTo(client, "datestyle", "SQL, DMY");
      const { id } = await createGrant(client, "05/03/2024", PERSONAL);
      expect(await shown(client, id)).toMatchObject({ subject_user_id: "2024-03-05" });
    });
  });
});
