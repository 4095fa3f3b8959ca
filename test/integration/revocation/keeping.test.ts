import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, inject, test } from "vitest";
import type { GatewayDatabase } from "../../../src/database/open.ts";
import { createLog } from "../../../src/observability/log.ts";
import type { CertificateAuthority } from "../../../src/pki/authority.ts";
import { keepRevocations } from "../../../src/revocation/keep.ts";
import type { KeptRevocations } from "../../../src/revocation/keep.ts";
import type { Revocations } from "../../../src/revocation/revocations.ts";
import type { Grant } from "../../policies/actors.ts";
import { held, openPublishing } from "./publisher.ts";
import type { Publishing } from "./publisher.ts";

let at: Publishing;
let kept: KeptRevocations | undefined;
beforeEach(async () => {
  at = await openPublishing();
});
afterEach(async () => {
  await kept?.close();
  kept = undefined;
  await at.close();
});

const databaseOf = (onNotice = at.database.onNotice): GatewayDatabase => ({
  gatewayUrl: at.database.connectionString,
  adminUrl: at.database.connectionString,
  ended: new Promise(() => undefined),
  close: () => Promise.resolve(),
  ...(onNotice === undefined ? {} : { onNotice }),
});
async function keep(
  authority: CertificateAuthority,
  options: { endRevoked?: (revocations: Revocations) => void; database?: GatewayDatabase } = {},
): Promise<Revocations> {
  const revocations = at.process({ authorities: () => [authority] });
  kept = await keepRevocations({
    revocations,
    database: options.database ?? databaseOf(),
    reloadAuthorities: () => Promise.resolve(),
    endRevoked: () => {
      options.endRevoked?.(revocations);
    },
    log: createLog("silent"),
  });
  return revocations;
}
/** Revokes a certificate, of which nobody is told. */
async function revokeSilently({ serial }: Grant): Promise<void> {
  const client = await at.database.pool.connect();
  await client.query("begin; set local session_replication_role = replica");
  await client.query(
    "update federation.federation_certificates set revoked_at = now(), revocation_reason = 'keyCompromise' where serial = $1",
    [serial],
  );
  await client.query("commit");
  client.release();
}
/** Waits until it holds, ten seconds at most: less than after what time a gateway looks by itself. */
async function until(holds: () => boolean | Promise<boolean>): Promise<boolean> {
  const deadline = performance.now() + 10_000;
  while (performance.now() < deadline) {
    if (await holds()) {
      return true;
    }
    await sleep(50);
  }
  return false;
}

test("what is open under a revoked certificate is ended though no list that names it can be made", async () => {
  const grant = await at.grant();
  let isAway = false;
  let ended = false;
  const revocations = await keep(
    {
      ...at.embedded,
      publishCrl: (request) =>
        isAway ? Promise.reject(new Error("the authority is away")) : at.embedded.publishCrl(request),
    },
    {
      endRevoked: (known) => {
        ended ||= known.refusalOf({ grantId: grant.id, serial: grant.serial })?.code === "CERTIFICATE_REVOKED";
      },
    },
  );
  isAway = true;
  await revokeSilently(grant);
  await at.database.pool.query(`select pg_notify('federation_grants', '{"all": true}')`);
  expect(await until(() => ended)).toBe(true);
  await expect(revocations.refresh()).rejects.toThrow();
});

test.skipIf(inject("template").kind === "pglite")(
  "what was not told while the connection was lost is read once it is back, whatever is being read then (on a server: the embedded database has no connection to lose)",
  async () => {
    const grant = await at.grant();
    const authority = held(at.embedded);
    const revocations = await keep(authority);
    const listener = async (): Promise<number | undefined> => {
      const { rows } = await at.database.pool.query<{ pid: number }>(
        "select pid from pg_stat_activity where datname = current_database() and (query ilike 'listen %' or query = 'select 1')",
      );
      return rows[0]?.pid;
    };
    await revocations.note({});
    const release = authority.hold();
    const running = revocations.refresh();
    await authority.asked();
    await revokeSilently(grant);
    const lost = await listener();
    expect(lost).toBeDefined();
    await at.database.pool.query("select pg_terminate_backend($1)", [lost]);
    expect(await until(async () => ![undefined, lost].includes(await listener()))).toBe(true);
    // What it does upon listening again has begun.
    await sleep(500);
    release();
    await running;
    const isKnown = (): boolean => revocations.refusalOf({ grantId: grant.id, serial: grant.serial }) !== undefined;
    expect(await until(isKnown)).toBe(true);
  },
);

test.skipIf(inject("template").kind !== "pglite")(
  "the embedded database is listened to before it is read (a server's connection is, and what was missed is read again)",
  async () => {
    let isListening = false;
    const listened: boolean[] = [];
    await keep(
      {
        ...at.embedded,
        publishCrl: (request) => {
          listened.push(isListening);
          return at.embedded.publishCrl(request);
        },
      },
      {
        database: databaseOf((listener) => {
          isListening = true;
          at.database.onNotice?.(listener);
        }),
      },
    );
    expect(listened).toEqual([true]);
  },
);
