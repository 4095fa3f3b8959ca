import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { asFederationError } from "../../../src/errors.ts";
import type { CertificateAuthority } from "../../../src/pki/authority.ts";
import { createEmbeddedAuthority, createRoot } from "../../../src/pki/embedded-authority.ts";
import { createCsr } from "../../../src/pki/csr.ts";
import { generateKeyPair } from "../../../src/pki/keys.ts";
import { readX509 } from "../../../src/pki/der.ts";
import { followAuthorities } from "../../../src/setup/follow-authorities.ts";
import type { Authorities, AuthoritiesChange } from "../../../src/setup/follow-authorities.ts";

const csrPem = createCsr({ privateKeyPem: generateKeyPair().privateKeyPem, commonName: "" });
const authority = (name: string): CertificateAuthority =>
  createEmbeddedAuthority({
    ...createRoot({ commonName: name, lifetimeDays: 30 }),
    oidArc: "1.3.6.1.4.1.32473.1",
    crlUrl: "https://work.example/crl",
  });
const [older, newer] = [authority("older"), authority("newer")];

let stored: CertificateAuthority[] | Error;
let authorities: Authorities;
let told: AuthoritiesChange[];
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["performance"] });
  [stored, told] = [[older], []];
  authorities = followAuthorities({
    opened: [older],
    read: () => (stored instanceof Error ? Promise.reject(stored) : Promise.resolve([...stored])),
  });
});
afterEach(() => {
  vi.useRealTimers();
});
/** The name of who signs, or the code of the refusal. */
const signedBy = (): Promise<string> =>
  authorities.issueServerCertificate({ csrPem, names: ["work.example"], lifetimeSeconds: 60 }).then(
    ({ certificateDer }) => readX509(certificateDer, "CERTIFICATE_INVALID").issuer,
    (error: unknown) => asFederationError(error).code,
  );

test("the first that is trusted signs, and each change is told once", async () => {
  authorities.onChange((change) => told.push(change));
  await authorities.reload();
  expect([await signedBy(), told]).toEqual(["CN=older", []]);
  stored = [older, newer];
  await authorities.reload();
  expect([await signedBy(), told]).toEqual(["CN=older", [{ signer: false }]]);
  stored = [newer, older];
  await authorities.reload();
  await authorities.reload();
  expect([await signedBy(), told]).toEqual(["CN=newer", [{ signer: false }, { signer: true }]]);
  stored = [newer];
  await authorities.reload();
  expect(told.at(-1)).toEqual({ signer: false });
  expect(authorities.trusted).toEqual([newer]);
});

test("what changed before anybody listened is told to who listens first", async () => {
  stored = [newer, older];
  await authorities.reload();
  stored = [newer];
  await authorities.reload();
  authorities.onChange((change) => told.push(change));
  expect(told).toEqual([{ signer: true }]);
});

test("one that could not read them for five minutes signs nothing and lets nobody in, until it could", async () => {
  stored = new Error("the database is away");
  await expect(authorities.reload()).rejects.toThrow();
  vi.advanceTimersByTime(5 * 60_000);
  expect([await signedBy(), authorities.outdated]).toEqual(["CN=older", undefined]);
  vi.advanceTimersByTime(1);
  expect([await signedBy(), authorities.outdated?.code]).toEqual(["UNAVAILABLE", "UNAVAILABLE"]);
  stored = [newer, older];
  await authorities.reload();
  expect([await signedBy(), authorities.outdated]).toEqual(["CN=newer", undefined]);
});

test("a database that has none of them changes nothing", async () => {
  stored = [];
  await expect(authorities.reload()).rejects.toMatchObject({ code: "UNAVAILABLE" });
  expect(authorities.trusted).toEqual([older]);
});
