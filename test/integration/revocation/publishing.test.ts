import { hostname } from "node:os";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, inject, test, vi } from "vitest";
import type { CertificateAuthority } from "../../../src/pki/authority.ts";
import { readCrl } from "../../../src/pki/crl.ts";
import type { Published } from "../../../src/revocation/published.ts";
import type { Revocations } from "../../../src/revocation/revocations.ts";
import { addAuthority, belowRoot, held, openPublishing } from "./publisher.ts";
import type { Publishing } from "./publisher.ts";

const DAY_MS = 86_400_000;

let at: Publishing;
beforeEach(async () => {
  at = await openPublishing();
});
afterEach(async () => {
  vi.useRealTimers();
  await at.close();
});

const recordOf = (directory: string): Published =>
  JSON.parse(readFileSync(join(directory, "revocations.json"), "utf8")) as Published;
const numbersOf = async (revocations: Revocations): Promise<number[]> =>
  (await revocations.crls()).map(({ number }) => number);

describe("an authority that moves below its own root", () => {
  let stepCa: ReturnType<typeof belowRoot>;
  let authorities: CertificateAuthority[];
  beforeEach(() => {
    stepCa = belowRoot(at.root, at.embedded);
    authorities = [at.embedded];
  });
  const moveUp = async (): Promise<void> => {
    authorities = [stepCa];
    await at.asAdmin((client) => addAuthority(client, "step-ca", stepCa));
  };

  test("shows the new issuer's list though its numbers begin anew, and the root's beside it; both name what was revoked since", async () => {
    const gateway = at.process({ authorities: () => authorities });
    const other = at.process({ authorities: () => authorities });
    await gateway.refresh();
    await other.takeOver();
    expect(await numbersOf(other)).toEqual(await numbersOf(gateway));
    await moveUp();
    const grant = await at.grant();
    await at.revoke(grant);
    await gateway.refresh();
    await other.takeOver();
    for (const one of [gateway, other]) {
      const [first, second] = await one.crls();
      expect(first.number).toBe(1);
      expect(readCrl(first.der, stepCa.certificateDer).revokedSerials).toContain(grant.serial);
      expect(readCrl(second?.der ?? Buffer.alloc(0), at.root.certificateDer).revokedSerials).toContain(grant.serial);
      expect(one.crlUntil).toEqual(first.nextUpdate);
    }
    expect(await at.alerts()).toEqual([]);
  });

  test("goes on with another intermediate, and back to signing itself", async () => {
    const gateway = at.process({ authorities: () => authorities });
    await moveUp();
    await gateway.refresh();
    await gateway.refresh();
    expect((await numbersOf(gateway))[0]).toBe(2);
    stepCa = belowRoot(at.root, at.embedded);
    authorities = [stepCa];
    await gateway.refresh();
    expect((await numbersOf(gateway))[0]).toBe(1);
    const [, roots = 0] = await numbersOf(gateway);
    authorities = [at.embedded];
    await at.asAdmin((client) => addAuthority(client, "embedded", at.embedded));
    await gateway.refresh();
    const [first, second] = await gateway.crls();
    expect(first.number).toBeGreaterThan(roots);
    expect(readCrl(first.der, at.root.certificateDer).number).toBe(first.number);
    expect(second?.number).toBe(1);
  });

  test("is not followed back to an older list of the same issuer: that is a failure, with an alert, until the newer one has ended", async () => {
    await moveUp();
    const gateway = at.process({ authorities: () => authorities });
    await gateway.refresh();
    await gateway.refresh();
    const before = await gateway.crls();
    authorities = [
      { ...stepCa, publishCrl: async () => ({ ...(await stepCa.publishCrl({ revoked: [], number: 0 })), number: 1 }) },
    ];
    await expect(gateway.refresh()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await gateway.crls()).toEqual(before);
    expect((await at.alerts()).map(({ code }) => code)).toEqual(["CRL_BEHIND"]);
    await at.database.pool.query(
      "update federation.federation_crls set this_update = now() - interval '2 days', next_update = now() - interval '1 second' where kind = 'step-ca'",
    );
    await gateway.refresh();
    expect(await at.alerts()).toEqual([]);
    const other = at.process({ authorities: () => authorities });
    await other.takeOver();
    expect((await numbersOf(other))[0]).toBe(1);
  });

  test("is looked at after each success: a list that is near its end is told of, for none that is good for longer came", async () => {
    const gateway = at.process({
      authorities: () => [
        {
          ...at.embedded,
          publishCrl: async (request) => ({
            ...(await at.embedded.publishCrl(request)),
            ...{ thisUpdate: new Date(Date.now() - DAY_MS), nextUpdate: new Date(Date.now() + DAY_MS / 10) },
          }),
        },
      ],
    });
    await gateway.refresh();
    expect((await at.alerts()).map(({ code }) => code)).toEqual(["CRL_STALE"]);
  });
});

describe("notices in a row", () => {
  test("make one list at once, and share the next", async () => {
    const authority = held(at.embedded);
    const gateway = at.process({ authorities: () => [authority] });
    await gateway.note({});
    expect(authority.signed).toBe(1);
    const shared = [];
    for (let notices = 0; notices < 20; notices += 1) {
      shared.push(gateway.note({}));
      await sleep(10);
    }
    const grant = await at.grant();
    await at.revoke(grant);
    shared.push(gateway.note({}));
    await Promise.all(shared);
    expect(authority.signed).toBeLessThanOrEqual(3);
    const [list] = await gateway.crls();
    expect(readCrl(list.der, at.root.certificateDer).revokedSerials).toContain(grant.serial);
  });

  test.skipIf(inject("template").kind === "pglite")(
    "are read after they came: a reading that runs already may have missed what they tell of (on a server: the embedded database commits nothing meanwhile)",
    async () => {
      const authority = held(at.embedded);
      const gateway = at.process({ authorities: () => [authority] });
      const grant = await at.grant();
      const release = authority.hold();
      const running = gateway.refresh();
      await authority.asked();
      await at.revoke(grant);
      const next = gateway.note({});
      release();
      await Promise.all([running, next]);
      expect(gateway.refusalOf({ grantId: grant.id, serial: grant.serial })?.code).toBe("CERTIFICATE_REVOKED");
      const [list] = await gateway.crls();
      expect(readCrl(list.der, at.root.certificateDer).revokedSerials).toContain(grant.serial);
    },
  );

  test("hold up whoever asks for the lists for a second at most", async () => {
    const authority = held(at.embedded);
    const gateway = at.process({ authorities: () => [authority] });
    await gateway.refresh();
    const before = await numbersOf(gateway);
    const release = authority.hold();
    const making = gateway.note({});
    await authority.asked();
    expect(await numbersOf(gateway)).toEqual(before);
    release();
    await making;
    expect(await numbersOf(gateway)).not.toEqual(before);
  });
});

describe("lists that nobody made anew", () => {
  test("are made where there is none", async () => {
    const gateway = at.process();
    await expect(gateway.crls()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await gateway.refreshIfOld();
    expect(await gateway.crls()).toHaveLength(1);
  });

  test.each([
    ["ahead", DAY_MS],
    ["back", -DAY_MS],
  ])("are made where the clock has jumped %s by a day, and are good the while", async (_where, by) => {
    const authority = held(at.embedded);
    const gateway = at.process({ authorities: () => [authority] });
    await gateway.refresh();
    await gateway.refreshIfOld();
    expect(authority.signed).toBe(1);
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + by });
    expect(gateway.refusalOf({ grantId: "", serial: "" })).toBeUndefined();
    await gateway.refreshIfOld();
    expect(authority.signed).toBe(2);
    await gateway.refreshIfOld();
    expect(authority.signed).toBe(2);
  });
});

test("a list that cannot be made is an alert, until one is", async () => {
  let isAway = true;
  const gateway = at.process({
    authorities: () => [
      {
        ...at.embedded,
        publishCrl: (request) =>
          isAway ? Promise.reject(new Error("the authority is away")) : at.embedded.publishCrl(request),
      },
    ],
  });
  await expect(gateway.refresh()).rejects.toThrow();
  // There has been none, either.
  expect((await at.alerts()).map(({ code }) => code)).toEqual(["CRL_FAILED", "CRL_STALE"]);
  isAway = false;
  await gateway.refresh();
  expect(await at.alerts()).toEqual([]);
  isAway = true;
  await expect(gateway.refresh()).rejects.toThrow();
  expect((await at.alerts()).map(({ code }) => code)).toEqual(["CRL_FAILED"]);
});

describe("what was published", () => {
  test("by another process of the gateway counts: neither number falls", async () => {
    const directory = at.directory();
    const [one, other] = [at.process({ directory }), at.process({ directory })];
    const [first, second] = [await at.grant(), await at.grant()];
    await at.revoke(first);
    await one.refresh();
    await other.refresh();
    const file = join(directory, "revocations.json");
    const far = Date.now() + DAY_MS;
    writeFileSync(file, JSON.stringify({ ...recordOf(directory), crlNumber: far }));
    await at.revoke(second);
    await other.refresh();
    const said = recordOf(directory);
    expect(said.crlNumber).toBeGreaterThan(far);
    expect(said.lastRevocation).toBe(2);
    expect(said.revoked.map(({ serial }) => serial).sort()).toEqual([first.serial, second.serial].sort());
    expect((await numbersOf(other))[0]).toBeGreaterThan(far);
  });

  test("is kept before an authority is asked to sign it: a database restored meanwhile takes nothing back", async () => {
    const directory = at.directory();
    let isAway = false;
    const authority: CertificateAuthority = {
      ...at.embedded,
      publishCrl: (request) =>
        isAway ? Promise.reject(new Error("the authority is away")) : at.embedded.publishCrl(request),
    };
    const gateway = at.process({ directory, authorities: () => [authority] });
    await gateway.refresh();
    const grant = await at.grant();
    await at.revoke(grant);
    isAway = true;
    await expect(gateway.refresh()).rejects.toThrow();
    expect(recordOf(directory)).toMatchObject({ lastRevocation: 1, revoked: [{ serial: grant.serial }] });
    await at.database.pool.query(
      `alter table federation.federation_certificates disable trigger all;
       delete from federation.federation_certificates where serial = '${grant.serial}'`,
    );
    isAway = false;
    await expect(gateway.refresh()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(gateway.lost?.code).toBe("UNAVAILABLE");
    expect(gateway.refusalOf({ grantId: grant.id, serial: grant.serial })?.code).toBe("CERTIFICATE_REVOKED");
  });

  test("by another process of the gateway, and not known to the database, is missing to this one, too", async () => {
    const directory = at.directory();
    const gateway = at.process({ directory });
    await gateway.refresh();
    const soon = new Date(Date.now() + DAY_MS).toISOString();
    const lost = { serial: "0123", grant: null, reason: "keyCompromise", revokedAt: soon, notAfter: soon };
    const said: Published = { version: 1, lastRevocation: 0, crlNumber: 1, revoked: [lost] };
    writeFileSync(join(directory, "revocations.json"), JSON.stringify(said));
    await expect(gateway.refresh()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(gateway.lost?.code).toBe("UNAVAILABLE");
    expect(gateway.refusalOf({ grantId: "", serial: "0123" })?.code).toBe("CERTIFICATE_REVOKED");
    expect(recordOf(directory)).toEqual(said);
  });

  test("and is lost to the database is an alert of this gateway at each attempt; another gateway's success leaves it", async () => {
    const directory = at.directory();
    writeFileSync(
      join(directory, "revocations.json"),
      JSON.stringify({ version: 1, lastRevocation: 5, crlNumber: 1, revoked: [] }),
    );
    const [behind, sound] = [at.process({ directory }), at.process()];
    const open = [{ code: "REVOCATIONS_LOST", subject: `${hostname()}:${directory}` }];
    await expect(behind.refresh()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    await sound.refresh();
    expect((await at.alerts()).filter(({ code }) => code === "REVOCATIONS_LOST")).toEqual(open);
    await at.asAdmin((client) =>
      client.query("select federation.resolve_alert('REVOCATIONS_LOST', $1)", [open[0]?.subject]),
    );
    await expect(behind.refresh()).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect((await at.alerts()).filter(({ code }) => code === "REVOCATIONS_LOST")).toEqual(open);
    await at.asAdmin((client) => client.query("select * from federation.restore_revocations('[]', 5)"));
    await behind.refresh();
    expect(await at.alerts()).toEqual([]);
  });
});
