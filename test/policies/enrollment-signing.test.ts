import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createSessions } from "../../src/database/session.ts";
import { createEnrollment } from "../../src/enrollment/enroll.ts";
import type { Enrollment } from "../../src/enrollment/enroll.ts";
import { asFederationError } from "../../src/errors.ts";
import type { IssuedCertificate } from "../../src/pki/authority.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { createEmbeddedAuthority, createRoot } from "../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asPeer, createGrant, seedPeople } from "./actors.ts";
import { enrollAgain } from "./tokens.ts";
import { refusal } from "./verbs.ts";

const SCOPE = { resources: ["tasks"], include_personal: true };
const OID_ARC = "1.3.6.1.4.1.32473.1";
const authority = createEmbeddedAuthority({
  ...createRoot({ commonName: "work", lifetimeDays: 60 }),
  oidArc: OID_ARC,
  crlUrl: "https://work.example/crl",
});

let database: TestDatabase;
let enrollment: Enrollment;
/** What the authority has signed. */
let signed: IssuedCertificate[];
/** What the authority waits for before it signs. */
let held: Promise<void>;

beforeAll(async () => {
  database = await openTestDatabase();
  await database.committed((client) => seedPeople(client, { olga: [] }));
  enrollment = createEnrollment({
    sessions: createSessions(database.pool, { statementTimeoutMs: 10_000 }),
    authority: {
      issueServerCertificate: (request) => authority.issueServerCertificate(request),
      issueClientCertificate: async (request) => {
        const issued = await authority.issueClientCertificate(request);
        signed.push(issued);
        await held;
        return issued;
      },
    },
    host: "work.example",
    federationUrl: "https://work.example:1",
    publicUrl: "https://work.example:2",
    oidArc: OID_ARC,
    certificateLifetimeDays: 30,
  });
});
beforeEach(() => {
  signed = [];
  held = Promise.resolve();
});
afterAll(() => database.close());

const csrOfNewKey = (): string =>
  createCsr({ privateKeyPem: generateKeyPair().privateKeyPem, commonName: "mosaic peer" });
/** The serial of what was enrolled, or the code of the refusal. */
const enroll = (token: string, csr: string): Promise<string> =>
  enrollment.enroll(token, csr).then(
    ({ serial }) => serial,
    (error: unknown) => asFederationError(error).code,
  );
const recorded = async (grantId: string): Promise<{ serial: string; revocation_reason: string | null }[]> => {
  const { rows } = await database.pool.query<{ serial: string; revocation_reason: string | null }>(
    "select serial, revocation_reason from federation.list_certificates($1)",
    [grantId],
  );
  return rows;
};
const servedBy = (grant: { id: string; subject: string }, serial: string): Promise<string> =>
  database.committed((client) =>
    refusal(asPeer(client, { ...grant, serial }, () => client.query("select federation_api.capabilities()"))),
  );

describe("while the authority signs for an enrollment", () => {
  test("a revocation waits for nobody, and what was signed is recorded nowhere and good for nothing", async () => {
    const grant = await database.committed((client) => activeGrant(client, "olga", SCOPE));
    const token = await database.committed((client) => enrollAgain(client, grant.id));
    let release = (): void => undefined;
    held = new Promise((resolve) => (release = resolve));
    const enrolling = [enroll(token, csrOfNewKey()), enroll(token, csrOfNewKey())];
    await expect.poll(() => signed.length).toBe(1);

    await database.committed((client) => client.query("select federation.revoke_grant($1)", [grant.id]));
    expect(await servedBy(grant, grant.serial)).toBe("GRANT_REVOKED");

    release();
    expect(await Promise.all(enrolling)).toEqual(["TOKEN_SPENT", "TOKEN_SPENT"]);
    expect(signed).toHaveLength(1);
    expect(await recorded(grant.id)).toEqual([{ serial: grant.serial, revocation_reason: "privilegeWithdrawn" }]);
    expect(await servedBy(grant, signed[0]?.serial ?? "")).toBe("GRANT_REVOKED");
  });

  test("the certificate before is good, and a token that is replaced by another records nothing", async () => {
    const grant = await database.committed((client) => activeGrant(client, "olga", SCOPE));
    const token = await database.committed((client) => enrollAgain(client, grant.id));
    let release = (): void => undefined;
    held = new Promise((resolve) => (release = resolve));
    const enrolling = enroll(token, csrOfNewKey());
    await expect.poll(() => signed.length).toBe(1);
    await database.committed((client) => enrollAgain(client, grant.id));
    release();
    expect(await enrolling).toBe("TOKEN_SPENT");
    expect(await recorded(grant.id)).toEqual([{ serial: grant.serial, revocation_reason: null }]);
    expect(await servedBy(grant, signed[0]?.serial ?? "")).toBe("CERTIFICATE_UNKNOWN");
  });
});

describe("one token", () => {
  test("that two keys use at once is good for one of them, which has one live certificate", async () => {
    const { id, token } = await database.committed((client) => createGrant(client, "olga", SCOPE));
    const [one, other] = [csrOfNewKey(), csrOfNewKey()];
    const answers = await Promise.all([one, other, one, other, one].map((csr) => enroll(token, csr)));
    expect([answers[1], answers[3]]).toEqual(["TOKEN_SPENT", "TOKEN_SPENT"]);
    const serials = [answers[0], answers[2], answers[4]];
    expect(new Set(serials)).toEqual(new Set(signed.map(({ serial }) => serial)));
    const certificates = await recorded(id);
    expect(new Set(certificates.map(({ serial }) => serial))).toEqual(new Set(serials));
    expect(certificates.filter((row) => row.revocation_reason === null)).toHaveLength(1);
  });

  test("has one certificate signed by many keys at once, ten by one key, and none that is not a token", async () => {
    const { token } = await database.committed((client) => createGrant(client, "olga", SCOPE));
    const answers = await Promise.all(Array.from({ length: 20 }, () => enroll(token, csrOfNewKey())));
    expect(answers.filter((answer) => answer !== "TOKEN_SPENT")).toEqual(signed.map(({ serial }) => serial));
    expect(signed).toHaveLength(1);

    signed = [];
    const again = await database.committed((client) => createGrant(client, "olga", SCOPE));
    const csr = csrOfNewKey();
    await Promise.all(Array.from({ length: 15 }, () => enroll(again.token, csr)));
    expect(signed).toHaveLength(10);
    expect(await enroll("x".repeat(43), csr)).toBe("TOKEN_SPENT");
    expect(signed).toHaveLength(10);
  });
});
