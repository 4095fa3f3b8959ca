import { spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addPeer } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { MOSAIC, runMosaic } from "../harness/mosaic.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"] };

let work: TestGateway;
let home: TestGateway;
let grant: TestGrant;

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
  grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
});
afterAll(async () => {
  await Promise.all([work.stop(), home.stop()]);
});

/** Runs a command at the gateway that grants, and reads its JSON. */
async function mosaic(args: string[], input = ""): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await runMosaic(["federation", ...args, "--json", "--dir", work.directory], input);
  return code === 0
    ? (JSON.parse(stdout) as Record<string, unknown>)
    : (JSON.parse(stderr) as { error: { code: string } }).error;
}

/** How many rows the peer gets, each time of another query, so that no cached answer is counted. */
let asked = 100;
async function rows(): Promise<number | undefined> {
  asked += 1;
  const answer = await homeQuery(
    home,
    "alice-at-home",
    `{ list(resource: "tasks", first: ${asked}, source: "federated:work.localhost") { rows } }`,
  );
  return (answer.data as { list: { rows: unknown[] } } | null | undefined)?.list.rows.length;
}

async function certificates(): Promise<{ serial: string; revocation_reason: string | null }[]> {
  return (await mosaic(["certificate", "list", "--grant", grant.grantId])) as unknown as Awaited<
    ReturnType<typeof certificates>
  >;
}

describe("mosaic federation grant", () => {
  test("update shows what was and is, and the peer's next query is answered under the new scope", async () => {
    const before = await rows();
    expect(before).toBeGreaterThan(0);
    const narrow = { resources: ["notes"], include_teams: ["platform"] };
    expect(await mosaic(["grant", "update", grant.grantId, "--scope", "-"], JSON.stringify(narrow))).toEqual({
      grantId: grant.grantId,
      before: SCOPE,
      after: narrow,
    });
    expect(await rows()).toBeUndefined();
    await mosaic(["grant", "update", grant.grantId, "--scope", "-"], JSON.stringify(SCOPE));
    expect(await rows()).toBe(before);
    const refused = await mosaic(["grant", "update", grant.grantId, "--scope", "-"], '{"resources": ["nothing"]}');
    expect(refused).toMatchObject({ code: "SCOPE_INVALID" });
    expect(await rows()).toBe(before);
  });

  test("suspend and resume say the state that the grant is in", async () => {
    expect(await mosaic(["grant", "suspend", grant.grantId])).toEqual({ grantId: grant.grantId, status: "suspended" });
    expect(await rows()).toBeUndefined();
    expect(await mosaic(["grant", "enroll", grant.grantId])).toMatchObject({ code: "CONFLICT" });
    expect(await mosaic(["grant", "resume", grant.grantId])).toEqual({ grantId: grant.grantId, status: "active" });
    expect(await rows()).toBeGreaterThan(0);
  });

  test("enroll lets a peer whose certificate was revoked come back to the same grant, in place of the one before", async () => {
    const [first] = await certificates();
    expect(first).toMatchObject({ serial: grant.enrolled.serial, revocation_reason: null });
    const revoked = await mosaic(["certificate", "revoke", grant.enrolled.serial, "--reason", "keyCompromise"]);
    expect(revoked).toMatchObject({ revoked: [grant.enrolled.serial], reason: "keyCompromise" });
    expect(await rows()).toBeUndefined();
    for (const [lost, reason] of [
      [grant.enrolled.serial, "keyCompromise"],
      [undefined, "superseded"],
    ] as const) {
      const serial = lost ?? (await certificates())[0]?.serial;
      const { enrollmentUrl } = await mosaic(["grant", "enroll", grant.grantId]);
      const enrolled = await addPeer(home.directory, "alice-at-home", String(enrollmentUrl));
      expect(enrolled.grantId).toBe(grant.grantId);
      expect(await rows()).toBeGreaterThan(0);
      const now = await certificates();
      expect(now.find((each) => each.serial === enrolled.serial)).toMatchObject({ revocation_reason: null });
      expect(now.find((each) => each.serial === serial)).toMatchObject({ revocation_reason: reason });
    }
    const { rows: peers } = await home.pool.query("select grant_id from federation.list_peers()");
    expect(peers).toEqual([{ grant_id: grant.grantId }]);
  });

  test("revoke says since when and why, the second time as the first, and the peer gets nothing more", async () => {
    const first = await mosaic(["grant", "revoke", grant.grantId, "--reason", "left"]);
    expect(first).toMatchObject({ grantId: grant.grantId, status: "revoked", reason: "left" });
    expect(await mosaic(["grant", "revoke", grant.grantId, "--reason", "again"])).toEqual(first);
    expect(await rows()).toBeUndefined();
    expect((await certificates()).every(({ revocation_reason }) => revocation_reason !== null)).toBe(true);
    for (const command of ["enroll", "suspend", "resume"]) {
      expect(await mosaic(["grant", command, grant.grantId]), command).toMatchObject({ code: "CONFLICT" });
    }
  });
});

describe("mosaic worker", () => {
  test("ends, when it starts, the grants whose time is up, and leaves the others", async () => {
    const [due, later] = [
      await createGrant(work, "alice", SCOPE, new Date(Date.now() + 3_600_000)),
      await createGrant(work, "alice", SCOPE, new Date(Date.now() + 3_600_000)),
    ];
    await work.pool.query("update federation.federation_grants set expires_at = now() where id = $1", [due.grantId]);
    const child = spawn(MOSAIC[0], [MOSAIC[1], "worker", "--dir", work.directory], { stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const read = async (id: string): Promise<unknown> => {
      const { rows: found } = await work.pool.query<{ status: string; end_reason: string | null }>(
        "select status, end_reason from federation.federation_grants where id = $1",
        [id],
      );
      return found[0];
    };
    try {
      await expect
        .poll(() => read(due.grantId), { timeout: 30_000, interval: 100 })
        .toEqual({ status: "expired", end_reason: "its time was up" });
    } finally {
      child.kill("SIGTERM");
      await ended;
    }
    expect(await read(later.grantId)).toEqual({ status: "pending", end_reason: null });
  });
});
