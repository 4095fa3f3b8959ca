import type { PoolClient } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { backOffMs, renewalWindowMs } from "../../src/client/renewal-due.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { fingerprintFor } from "../harness/fingerprint.ts";
import {
  activate,
  activeGrant,
  asPeer,
  asRole,
  enterAsPeer,
  newSerial,
  recordRenewal,
  seedPeople,
  seedRows,
} from "./actors.ts";
import type { Grant } from "./actors.ts";
import { list, only, refusal, visibleIds } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };
const MOST = 24;
const [HOUR, DAY] = [3_600_000, 86_400_000];

let database: TestDatabase;

beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: [] });
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

/** Renews a certificate as the gateway does, for so long a life, and returns the new serial. */
async function renew(client: PoolClient, grant: Grant, from = grant.serial, life = "30 days"): Promise<string> {
  const serial = newSerial();
  await asRole(client, "federation_gateway", async () => {
    await client.query("select federation.begin_renewal($1, $2, $3, $4)", [
      grant.id,
      grant.subject,
      from,
      fingerprintFor(from),
    ]);
    await recordRenewal(client, grant, from, serial, life);
  });
  return serial;
}

const confirm = (client: PoolClient, grant: Grant, serial: string): Promise<unknown> =>
  asRole(client, "federation_gateway", () =>
    client.query("select federation.confirm_certificate($1, $2, $3, $4)", [
      grant.id,
      grant.subject,
      serial,
      fingerprintFor(serial),
    ]),
  );

/** Lets time pass for the certificates of a grant: they were issued so much earlier. */
const age = (client: PoolClient, grant: Grant, by: string): Promise<unknown> =>
  client.query(
    `set constraints all immediate;
     alter table federation.federation_certificates disable trigger _100_lifecycle;
     update federation.federation_certificates set issued_at = issued_at - interval '${by}' where grant_id = '${grant.id}';
     alter table federation.federation_certificates enable always trigger _100_lifecycle`,
  );

/** As if the certificate had been confirmed so long ago. */
const confirmedAgo = (client: PoolClient, serial: string, ago: string): Promise<unknown> =>
  client.query(
    "update federation.federation_certificates set confirmed_at = clock_timestamp() - $2::interval where serial = $1",
    [serial, ago],
  );

async function listed(client: PoolClient, grant: Grant): Promise<number> {
  const { rows } = await client.query<{ count: number }>(
    "select count(*)::int as count from federation.revoked_certificates() where grant_id = $1",
    [grant.id],
  );
  return only(rows).count;
}

describe("a certificate whose successor was confirmed", () => {
  const opens = (client: PoolClient, grant: Grant): Promise<string[]> =>
    asPeer(client, grant, () => visibleIds(client, "tasks"));

  test("is good for an hour more, and then for no verb, renewal or confirmation, though no job has revoked it", async () => {
    await database.transaction(async (client) => {
      const ids = await seedRows(client, "tasks", [{ owner: "olga", team: null }]);
      const grant = await activeGrant(client, "olga", SCOPE);
      const next = await renew(client, grant);
      await confirmedAgo(client, next, "0 seconds");
      expect(await opens(client, grant)).toEqual(ids);
      await confirmedAgo(client, next, "59 minutes");
      expect(await opens(client, grant)).toEqual(ids);
      await confirmedAgo(client, next, "60 minutes");
      expect(await refusal(opens(client, grant))).toBe("CERTIFICATE_REVOKED");
      expect(await refusal(renew(client, grant))).toBe("CERTIFICATE_REVOKED");
      expect(await refusal(confirm(client, grant, grant.serial))).toBe("CERTIFICATE_REVOKED");
      expect(await opens(client, { ...grant, serial: next })).toEqual(ids);
      expect(await listed(client, grant)).toBe(0);
    });
  });

  test("ends in the middle of a session, too: its next statement sees nothing, and its next verb is refused", async () => {
    await database.transaction(async (client) => {
      const ids = await seedRows(client, "tasks", [{ owner: "olga", team: null }]);
      const grant = await activeGrant(client, "olga", SCOPE);
      const next = await renew(client, grant);
      await confirm(client, grant, next);
      await enterAsPeer(client, grant);
      const seen = (): Promise<string[]> => asRole(client, "federation_peer", () => visibleIds(client, "tasks"));
      expect(await seen()).toEqual(ids);
      await confirmedAgo(client, next, "61 minutes");
      expect(await seen()).toEqual([]);
      expect(await refusal(asRole(client, "federation_peer", () => list(client, "tasks")))).toBe("CERTIFICATE_REVOKED");
    });
  });

  test("is revoked by the job as soon as it is good no more, and not before", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const next = await renew(client, grant);
      const supersede = async (): Promise<number> =>
        asRole(client, "federation_worker", async () => {
          const { rows } = await client.query<{ count: number }>("select federation.supersede_certificates() as count");
          return only(rows).count;
        });
      await confirmedAgo(client, next, "59 minutes");
      expect([await supersede(), await listed(client, grant)]).toEqual([0, 0]);
      await confirmedAgo(client, next, "60 minutes");
      expect([await supersede(), await listed(client, grant)]).toEqual([1, 1]);
    });
  });
});

describe("renewals of a grant", () => {
  test("are 24 in a day at most, confirmed or not, so that no peer makes the revocation list grow without end", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      let last = grant.serial;
      for (let count = 0; count < MOST; count += 1) {
        const next = await renew(client, grant, last);
        if (count % 2 === 0) {
          await confirm(client, grant, next);
          last = next;
        }
      }
      expect(await refusal(renew(client, grant, last))).toBe("RENEWAL_LIMITED");
      expect(await refusal(renew(client, grant, last))).toBe("RENEWAL_LIMITED");
      expect(await listed(client, grant)).toBeLessThan(MOST);
      // Of another grant they are counted by themselves.
      const other = await activeGrant(client, "olga", SCOPE);
      await renew(client, other);
      await age(client, grant, "24 hours");
      await renew(client, grant, last);
    });
  });

  test("refused for their number say when to come back, in seconds", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      for (let count = 0; count < MOST; count += 1) {
        await renew(client, grant);
      }
      await age(client, grant, "23 hours");
      const error = await renew(client, grant).catch((caught: unknown) => caught);
      const { retryAfter } = JSON.parse((error as { detail: string }).detail) as { retryAfter: number };
      expect(retryAfter).toBeGreaterThan(3_500);
      expect(retryAfter).toBeLessThanOrEqual(3_600);
    });
  });

  test("are counted within the life of a certificate where that is shorter than a day", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      const short = await renew(client, grant, grant.serial, "1 hour");
      await confirm(client, grant, short);
      for (let count = 1; count < MOST; count += 1) {
        await renew(client, grant, short, "1 hour");
      }
      expect(await refusal(renew(client, grant, short, "1 hour"))).toBe("RENEWAL_LIMITED");
      await age(client, grant, "59 minutes");
      expect(await refusal(renew(client, grant, short, "1 hour"))).toBe("RENEWAL_LIMITED");
      await age(client, grant, "1 minute");
      await renew(client, grant, short, "1 hour");
    });
  });

  test("are what is limited: enrolling again, for which an administrator gives a token, is not", async () => {
    await database.transaction(async (client) => {
      const grant = await activeGrant(client, "olga", SCOPE);
      for (let count = 0; count < MOST; count += 1) {
        await renew(client, grant);
      }
      const { rows } = await asRole(client, "federation_admin", () =>
        client.query<{ token: string }>(
          "select enrollment_token as token from federation.create_enrollment_token($1)",
          [grant.id],
        ),
      );
      const again = await activate(client, { ...grant, token: only(rows).token });
      await age(client, again, "1 day");
      await renew(client, again);
    });
  });

  test.each([
    ["10 minutes", HOUR / 6],
    ["an hour", HOUR],
    ["a day", DAY],
    ["30 days", 30 * DAY],
  ])("of a peer that loses every answer stay within it by its back-off, in a life of %s", (_, life) => {
    const [notBefore, notAfter] = [new Date(0), new Date(life)];
    const times = { id: "a peer", notBefore, notAfter, failedAt: null, now: new Date(0) };
    const begun: number[] = [];
    let [at, failures] = [life - renewalWindowMs(times), 0];
    while (at < life) {
      begun.push(at);
      failures += 1;
      at += backOffMs({ ...times, failures });
    }
    const span = Math.min(DAY, life);
    const most = Math.max(...begun.map((from) => begun.filter((one) => one >= from && one < from + span).length));
    expect(most).toBeLessThan(MOST);
  });
});
