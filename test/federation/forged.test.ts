import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from "vitest";
import { mixedCredentials } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { auditRows, enrollGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { forgedCredentials } from "../harness/forged.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { grantByHand, newRequest } from "../harness/renewal.ts";
import type { GrantByHand } from "../harness/renewal.ts";
import { nameOf, pass, servedBy } from "../harness/rotation.ts";
import { openSigner } from "../harness/signer.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
/** The machine may be busy with much else. */
const SOON = { timeout: 20_000 };
const PATHS = ["/federation", "/renew", "/renew/confirm"] as const;
const template = inject("template");
const isStepCa = template.kind === "postgres" && template.services !== undefined;

let work: TestGateway;
let home: TestGateway;
let grant: TestGrant;
let by: GrantByHand;

beforeAll(async () => {
  [work, home] = await Promise.all([openTestGateway("work.localhost", WORK), openTestGateway("home.localhost", HOME)]);
});
beforeEach(async () => {
  grant = await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
  by = grantByHand(work, grant);
});
afterAll(() => Promise.all([work.stop(), home.stop()]));

const bodyFor = (path: (typeof PATHS)[number]): unknown =>
  ({
    "/federation": { documentId: "list", variables: { resource: "tasks", first: 1 } },
    "/renew": { csr: newRequest().csr },
    "/renew/confirm": undefined,
  })[path];

describe("a certificate that was made with the authority's stolen key, of the grant and the serial of a live one", () => {
  test("is 401 CERTIFICATE_UNKNOWN to every verb, renewal and confirmation, audited, in the bytes of one of no serial that is known", async () => {
    const signer = await openSigner(work.directory);
    const forged = await forgedCredentials(signer, { ...grant, serial: grant.enrolled.serial });
    const unknown = await mixedCredentials(signer, grant.grantId, "alice");
    expect(await by.says(by.first)).toBe("OK");
    for (const path of PATHS) {
      const [one, other] = [await by.at(forged, path, bodyFor(path)), await by.at(unknown, path, bodyFor(path))];
      expect(one, path).toMatchObject({ status: 401, code: "CERTIFICATE_UNKNOWN" });
      const withoutRequestId = ({ body }: typeof one): string =>
        JSON.stringify(body).replace(/"requestId":"[^"]+"/, '"requestId":""');
      expect(withoutRequestId(one), path).toBe(withoutRequestId(other));
    }
    expect(await by.recorded()).toMatchObject([{ serial: grant.enrolled.serial, confirmed: false }]);
    const rows = await auditRows(work, grant.grantId);
    for (const verb of ["list", "renew", "renew.confirm"]) {
      const denied = rows.filter((row) => row.verb === verb && row.code === "CERTIFICATE_UNKNOWN");
      expect(denied, verb).toHaveLength(2);
      expect(denied.map(({ outcome }) => outcome)).toEqual(["denied", "denied"]);
    }
    expect(await by.says(by.first)).toBe("OK");
  });

  test("of one that was renewed neither confirms it nor renews it", async () => {
    const next = await by.renewed(by.first);
    const forged = await forgedCredentials(await openSigner(work.directory), { ...grant, serial: next.serial });
    expect(await by.at(forged, "/renew/confirm")).toMatchObject({ status: 401, code: "CERTIFICATE_UNKNOWN" });
    expect((await by.at(next, "/renew/confirm")).status).toBe(200);
    expect(await by.at(forged, "/renew", bodyFor("/renew"))).toMatchObject({
      status: 401,
      code: "CERTIFICATE_UNKNOWN",
    });
    expect(await by.recorded()).toHaveLength(2);
    expect(await by.verdicts()).toEqual([
      "renew denied CERTIFICATE_UNKNOWN",
      "renew.confirm served OK",
      "renew.confirm denied CERTIFICATE_UNKNOWN",
      "renew served OK",
    ]);
  });
});

// step-ca's root is not rotated.
describe.skipIf(isStepCa)("the key of a root that was stolen", () => {
  test("makes nothing that outlives the root: no certificate of the next root is given for what it signs", async () => {
    const thief = await openSigner(work.directory);
    const { stdout } = await runMosaic(["ca", "rotate", "--json", "--dir", work.directory]);
    const { predecessor } = JSON.parse(stdout) as { predecessor: string };
    await pass(work, "2 minutes");
    await expect.poll(async () => (await servedBy(work, by.ca))[0], SOON).not.toBe(nameOf(by.ca));
    const forged = await forgedCredentials(thief, { ...grant, serial: grant.enrolled.serial });
    expect(await by.at(forged, "/renew", bodyFor("/renew"))).toMatchObject({
      status: 401,
      code: "CERTIFICATE_UNKNOWN",
    });
    const own = await by.renewed(by.first);
    expect(await by.at(own, "/renew/confirm")).toMatchObject({ status: 200 });
    expect((await runMosaic(["ca", "retire", predecessor, "--json", "--dir", work.directory])).code).toBe(0);
    await expect.poll(() => by.says(by.first), SOON).toBe("TLS_REFUSED");
    expect(await by.recorded()).toMatchObject([{ serial: grant.enrolled.serial }, { serial: own.serial }]);
  });
});
