import { randomBytes } from "node:crypto";
import type { PoolClient } from "pg";
import { fingerprintFor } from "../harness/fingerprint.ts";
import { only } from "./verbs.ts";

/** A scope as it is stored; loose on purpose, so that tests can say what is wrong. */
export type Scope = Record<string, unknown>;

/** A grant that was created and waits for its enrollment. */
export interface PendingGrant {
  id: string;
  subject: string;
  token: string;
}

/** A grant with a certificate: what a peer's session opens with. */
export interface Grant extends PendingGrant {
  serial: string;
}

/** The four tables of the sample application that are registered, each with its column that names a row to people. */
export const RESOURCES = { tasks: "title", notes: "title", projects: "name", credentials: "name" } as const;
export type Resource = keyof typeof RESOURCES;

/** One row of a resource to be seeded; `team` null is a personal row. */
export interface SeedRow {
  id?: string;
  owner: string;
  team: string | null;
  label?: string;
}

/** Adds users, each with the teams it is a member of; teams that are not there yet are added first. */
export async function seedPeople(client: PoolClient, people: Record<string, readonly string[]>): Promise<void> {
  const users = Object.keys(people);
  const memberships = Object.entries(people).flatMap(([user, teams]) => teams.map((team) => ({ user, team })));
  await client.query(
    "insert into app.users (id, name, email) select u, u, u || '@example.org' from unnest($1::text[]) as u",
    [users],
  );
  await seedTeams(client, [...new Set(memberships.map(({ team }) => team))]);
  await client.query(
    "insert into app.memberships (user_id, team_id) select * from unnest($1::text[], $2::text[]) as m (user_id, team_id)",
    [memberships.map(({ user }) => user), memberships.map(({ team }) => team)],
  );
}

/** Adds teams; those that are there already stay as they are. */
export async function seedTeams(client: PoolClient, teams: readonly string[]): Promise<void> {
  await client.query(
    "insert into app.teams (id, name) select t, t from unnest($1::text[]) as t on conflict do nothing",
    [teams],
  );
}

/** Adds rows to a resource and returns their ids, in the order given. */
export async function seedRows(client: PoolClient, resource: Resource, rows: readonly SeedRow[]): Promise<string[]> {
  const secret =
    resource === "credentials" ? { column: ", secret", value: ", 'not for peers'" } : { column: "", value: "" };
  const result = await client.query<{ id: string }>(
    `insert into app.${resource} (id, owner_id, team_id, ${RESOURCES[resource]}${secret.column})
     select coalesce(r.id, gen_random_uuid()), r.owner, r.team, r.label${secret.value}
     from unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) with ordinality as r (id, owner, team, label, n)
     order by r.n
     returning id`,
    [
      rows.map(({ id }) => id ?? null),
      rows.map(({ owner }) => owner),
      rows.map(({ team }) => team),
      rows.map(({ label }, index) => label ?? `row ${index}`),
    ],
  );
  return result.rows.map(({ id }) => id);
}

/** Creates a grant, as an administrator does. */
export async function createGrant(
  client: PoolClient,
  subject: string,
  scope: Scope,
  expiresAt: Date | null = null,
): Promise<PendingGrant> {
  return asRole(client, "federation_admin", async () => {
    const { rows } = await client.query<{ grant_id: string; enrollment_token: string }>(
      "select * from federation.create_grant($1, 'home.example.org', $2, $3)",
      [subject, JSON.stringify(scope), expiresAt],
    );
    const row = only(rows);
    return { id: row.grant_id, subject, token: row.enrollment_token };
  });
}

/** Enrolls a peer for a pending grant, as the gateway does: spends the token, records a certificate. */
export async function activate(client: PoolClient, grant: PendingGrant): Promise<Grant> {
  return asRole(client, "federation_gateway", async () => {
    await client.query("select * from federation.redeem_enrollment_token($1)", [grant.token]);
    return { ...grant, serial: await recordCertificate(client, grant.id) };
  });
}

/** A serial number as authorities make them, hex: without zeros in front, which a revocation list would leave out. */
export function newSerial(): string {
  return `4${randomBytes(20).toString("hex").slice(1)}`;
}

/** Records a certificate as the renewal of another, for so long a life, as the gateway does once it is signed. */
export function recordRenewal(
  client: PoolClient,
  { id, subject }: Pick<Grant, "id" | "subject">,
  from: string,
  serial: string,
  life = "30 days",
): Promise<unknown> {
  return client.query("select federation.record_renewal($1, $2, $3, $4, $5, $6, now(), now() + $7::interval)", [
    id,
    subject,
    from,
    fingerprintFor(from),
    serial,
    fingerprintFor(serial),
    life,
  ]);
}

/** Records a certificate for a grant, valid for 30 days and enrolled by a token where one is named, and returns its serial. */
export async function recordCertificate(client: PoolClient, grantId: string, token?: string): Promise<string> {
  const serial = newSerial();
  await client.query(
    "select federation.record_certificate($1, $2, $3, now() - interval '1 minute', now() + interval '30 days', null, $4)",
    [serial, grantId, fingerprintFor(serial), token],
  );
  return serial;
}

/** Creates a grant and enrolls its peer. */
export async function activeGrant(client: PoolClient, subject: string, scope: Scope): Promise<Grant> {
  return activate(client, await createGrant(client, subject, scope));
}

/** Opens the session of a grant's peer, by its certificate, for the rest of the transaction; the role stays as it is. */
export async function enterAsPeer(
  client: PoolClient,
  { id, subject, serial }: Pick<Grant, "id" | "subject" | "serial">,
): Promise<void> {
  await client.query("select federation.enter_as_peer($1, $2, $3, $4)", [id, subject, serial, fingerprintFor(serial)]);
}

/**
 * Runs work as the peer of a grant, read-only, the way the gateway does it; session, role and what a failed statement left
 * behind are gone afterwards.
 */
export async function asPeer<T>(
  client: PoolClient,
  grant: Pick<Grant, "id" | "subject" | "serial">,
  work: () => Promise<T>,
): Promise<T> {
  return asRole(
    client,
    "federation_gateway",
    async () => {
      await client.query("set local transaction_read_only = on");
      await enterAsPeer(client, grant);
      await client.query("set local role federation_peer");
      return work();
    },
    "rollback",
  );
}

/** Runs work as a local user of this gateway, read-only. */
export async function asUser<T>(client: PoolClient, userId: string, work: () => Promise<T>): Promise<T> {
  return asRole(
    client,
    "federation_gateway",
    async () => {
      await client.query("set local transaction_read_only = on");
      await client.query("select federation.enter_as_user($1)", [userId]);
      await client.query("set local role federation_user");
      return work();
    },
    "rollback",
  );
}

/** Runs work as a role that has logged in itself: it can become only what it is a member of. */
export async function asLogin<T>(client: PoolClient, role: string, work: () => Promise<T>): Promise<T> {
  const { rows } = await client.query<{ name: string }>("select session_user::text as name");
  try {
    return await inSavepoint(
      client,
      async () => {
        await client.query(`set local session authorization ${role}`);
        return work();
      },
      "rollback",
    );
  } finally {
    // The embedded database starts without this setting, so that a rollback has nothing to go back to.
    await client.query(`set local session authorization ${only(rows).name}`);
  }
}

/** Runs work as a role, without any session. What it wrote stays, unless `end` says otherwise or the work failed. */
export async function asRole<T>(
  client: PoolClient,
  role: string,
  work: () => Promise<T>,
  end: "keep" | "rollback" = "keep",
): Promise<T> {
  return inSavepoint(
    client,
    async () => {
      await client.query(`set local role ${role}`);
      return work();
    },
    end,
  );
}

/** Runs work in a savepoint that is rolled back when the work fails or `end` says so. Role and settings end with it. */
export async function inSavepoint<T>(client: PoolClient, work: () => Promise<T>, end: "keep" | "rollback"): Promise<T> {
  await client.query("savepoint actor");
  try {
    const result = await work();
    await client.query(
      end === "keep" ? "reset role; release savepoint actor" : "rollback to actor; release savepoint actor",
    );
    return result;
  } catch (error) {
    await client.query("rollback to actor; release savepoint actor");
    throw error;
  }
}
