import { enroll } from "../../src/client/enroll.ts";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { mixedCredentials } from "../../src/demo/actors.ts";
import { subjectAltNameOf } from "../../src/pki/identity.ts";
import { craftedCredentials, validFrom } from "../harness/crafted.ts";
import { createGrant } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { openSigner } from "../harness/signer.ts";
import { speakerOf } from "./wire.ts";
import type { Speaker } from "./wire.ts";

/** Who speaks in a situation, and what is put back after it. */
export interface Arranged {
  speaker: Speaker;
  /** Whom the audit row is to name; null where the certificate names no grant that can be believed. */
  grantId: string | null;
  undo?: () => Promise<unknown>;
}

/** What grants of these situations may read. */
export const SCOPE = {
  resources: ["tasks", "notes", "credentials"],
  excluded_resources: ["credentials"],
  include_personal: true,
};

/** A grant for ada that was enrolled, by nobody's gateway: certificate and key are at hand. */
export async function freshGrant(work: TestGateway): Promise<TestGrant> {
  const { grantId, url } = await createGrant(work, "ada", SCOPE);
  return { grantId, subject: "ada", enrolled: await enroll(parseEnrollmentUrl(url), 10_000) };
}

/** A grant that serves. */
export async function good(work: TestGateway): Promise<Arranged> {
  const grant = await freshGrant(work);
  return { speaker: speakerOf(grant), grantId: grant.grantId };
}

/** A grant of which a statement has made something else, without a word to any gateway, as where notices are lost. */
export function silently(statement: (grantId: string) => string) {
  return async (work: TestGateway): Promise<Arranged> => {
    const arranged = await good(work);
    await work.pool.query(
      `begin; set local session_replication_role = replica;
       alter table federation.federation_certificates disable trigger all;
       ${statement(arranged.grantId ?? "")};
       alter table federation.federation_certificates enable trigger all;
       alter table federation.federation_certificates enable always trigger _100_lifecycle;
       alter table federation.federation_certificates enable always trigger _110_lifecycle_truncate;
       commit`,
    );
    return arranged;
  };
}

/** A certificate that the gateway's own authority signed, for whom it was not asked to. */
export function signed(who: (grant: TestGrant) => { grantId: string; subject: string }) {
  return async (work: TestGateway): Promise<Arranged> => {
    const grant = await freshGrant(work);
    const { grantId, subject } = who(grant);
    const forged = await mixedCredentials(await openSigner(work.directory), grantId, subject);
    return { speaker: { ...forged, ca: speakerOf(grant).ca }, grantId };
  };
}

/** A certificate as the gateway's own authority signed it for a grant that serves, but for its dates: so many seconds from now. */
export function dated(from: number, until: number) {
  return async (work: TestGateway): Promise<Arranged> => {
    const grant = await freshGrant(work);
    const { host, oidArc } = work.gateway.config;
    const names = subjectAltNameOf({ grantId: grant.grantId, subjectUserId: "ada", host }, oidArc);
    const crafted = await craftedCredentials(work.directory, names, "demo", validFrom(from, until));
    return { speaker: { ...crafted, ca: speakerOf(grant).ca }, grantId: null };
  };
}

/** A database in which one function is not what it was, for as long as the situation lasts. */
export function withFunction(name: string, types: string, instead: string | undefined) {
  return async (work: TestGateway): Promise<Arranged> => {
    const arranged = await good(work);
    await work.pool.query(`alter function federation.${name}(${types}) rename to ${name}_away; ${instead ?? ""}`);
    return {
      ...arranged,
      undo: () =>
        work.pool.query(
          `drop function if exists federation.${name}(${types}); alter function federation.${name}_away(${types}) rename to ${name}`,
        ),
    };
  };
}

/** How long a statement takes at a database that is slow, ms; longer than any caller here waits. */
export const SLOW_MS = 1_500;
/** A database that is slow to say whether somebody is there. */
export const slow = withFunction(
  "subject_exists",
  "text",
  `create function federation.subject_exists(subject text) returns boolean language plpgsql volatile as
   $$ begin perform pg_sleep(${SLOW_MS / 1_000}); return federation.subject_exists_away(subject); end $$`,
);
