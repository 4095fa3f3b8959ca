import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gatewayPaths } from "../../src/config/paths.ts";
import { loadConfig } from "../../src/config/load.ts";
import { addPeer, createGrant, credentialsOf, revokeGrant } from "../../src/demo/actors.ts";
import { mtlsRequest } from "../../src/demo/mtls-request.ts";
import type { MtlsAnswer } from "../../src/demo/mtls-request.ts";
import { fillWorld, HOME, task, WORK } from "../../src/demo/world.ts";
import type { Enrolled } from "../../src/client/enroll.ts";
import { startGateway } from "../../src/gateway.ts";
import type { Gateway } from "../../src/gateway.ts";
import type { MoveReport } from "../../src/migrate/report.ts";
import { createLog } from "../../src/observability/log.ts";
import { derToPem } from "../../src/pki/der.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { MosaicRun } from "../harness/mosaic.ts";
import { startPostgresServer } from "../harness/postgres-server.ts";
import type { PostgresServer } from "../harness/postgres-server.ts";
import { contentOf } from "./content.ts";
import { contentOfGateway, execute, initLocal, move, onDatabase, schemasOf } from "./migrate-harness.ts";
import { ODD_REST, ODD_SCHEMA } from "./odd-schema.ts";

const SCOPE = { resources: ["tasks", "items"], include_teams: ["platform"], include_personal: true };
const log = createLog("silent");

let server: PostgresServer;
let admin: Client;
let folder: string;
let source: string;
let alice: { grantId: string; enrolled: Enrolled };
let bob: { grantId: string; enrolled: Enrolled };
let served: unknown;

function say(credentials: Enrolled, gateway: Gateway, documentId: string, variables: unknown): Promise<MtlsAnswer> {
  const ca = derToPem(credentials.rootDer, "CERTIFICATE");
  return mtlsRequest({
    url: gateway.federationUrl,
    ca,
    ...credentialsOf(credentials),
    body: { documentId, variables },
  });
}

/** A copy of the source in a folder of its own. */
function copyOfSource(name: string): string {
  const copy = join(folder, name);
  cpSync(source, copy, { recursive: true });
  // Not a folder that only its owner can open any more; it is made anew.
  rmSync(join(copy, "run"), { recursive: true, force: true });
  return copy;
}

async function newDatabase(name: string): Promise<string> {
  await admin.query(`create database ${name}`);
  return server.url(name);
}

const codeOf = (run: MosaicRun): string =>
  (JSON.parse(run.stderr.trim().split("\n").at(-1) ?? "") as { error: { code: string } }).error.code;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "mosaic-migrate-"));
  server = await startPostgresServer();
  admin = new Client({ connectionString: server.url("postgres") });
  await admin.connect();
  const [work, home] = [await initLocal(folder, "work.localhost"), await initLocal(folder, "home.localhost")];
  source = work;
  const workGateway = await startGateway(work, log);
  const homeGateway = await startGateway(home, log);
  try {
    await useDatabase(work, ({ adminUrl }) => fillWorld(adminUrl, WORK));
    await useDatabase(home, ({ adminUrl }) => fillWorld(adminUrl, HOME));
    await execute(
      work,
      ODD_SCHEMA,
      ODD_REST,
      // A column that is gone moves the numbers of those after it, by which privileges are recorded.
      'create table odd.items (id integer primary key, gone text, owner_id text, "Note" text); alter table odd.items drop column gone',
      "insert into odd.items values (1, 'alice', 'hers'), (2, 'bob', 'his')",
      "select federation.register_resource(name => 'items', table_id => 'odd.items', owner => 'owner_id')",
      "select federation.create_user_token('alice')",
    );
    const aliceGrant = await createGrant(work, "alice", SCOPE);
    alice = { grantId: aliceGrant.grantId, enrolled: await addPeer(home, "alice-at-home", aliceGrant.url) };
    const bobGrant = await createGrant(work, "bob", SCOPE);
    bob = { grantId: bobGrant.grantId, enrolled: await addPeer(home, "bob-at-home", bobGrant.url) };
    await createGrant(work, "carol", SCOPE);
    // The other way round, so that the source holds a peer with a sealed key.
    const url = await useDatabase(home, ({ adminUrl }) =>
      onDatabase(adminUrl, async (client) => {
        const { rows } = await client.query<{ url: string }>(
          "select enrollment_url as url from federation.create_grant('alice-at-home', 'work.localhost', '{\"resources\": [\"tasks\"]}')",
        );
        return rows[0]?.url ?? "";
      }),
    );
    await addPeer(work, "alice", url);
    served = [
      (await say(alice.enrolled, workGateway, "list", { resource: "tasks" })).body,
      (await say(alice.enrolled, workGateway, "list", { resource: "items" })).body,
    ];
    await revokeGrant(work, bob.grantId);
    expect((await say(bob.enrolled, workGateway, "list", { resource: "tasks" })).code).not.toBe("OK");
  } finally {
    await workGateway.stop();
    await homeGateway.stop();
  }
}, 180_000);

afterAll(async () => {
  await admin.end();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

describe("a populated gateway", () => {
  let url: string;
  let directory: string;
  let before: Record<string, string>;
  let report: MoveReport;

  beforeAll(async () => {
    before = await contentOfGateway(source);
    url = await newDatabase("whole");
    directory = join(folder, "whole");
    const run = await move(source, url, "--dir", directory);
    expect(run.stderr).toBe("");
    report = JSON.parse(run.stdout) as MoveReport;
  }, 120_000);

  test("arrives with every row of every table and every sequence where it stood, and stays where it was", async () => {
    expect(await contentOf(url, ["moved_as"])).toEqual(before);
    expect(await contentOfGateway(source)).toEqual(before);
    expect(report.rows).toBeGreaterThan(350);
    expect(report.tables.find(({ name }) => name === 'odd."Mixed Case"')?.rows).toBe(3);
    expect(before["odd.nothing"]).toMatch(/^2 /);
  });

  test("arrives with its sealed values, which open, and its tables' object ids, which name the same tables", async () => {
    expect(report.sealedValues).toBe(2);
    const { rows } = await onDatabase(url, (client) =>
      client.query<{ name: string }>(
        `select a.attname as name from federation.federation_resource_privileges p
         join pg_attribute a on a.attrelid = p.object_id and a.attnum = p.column_number
         where p.resource_name = 'items' and p.object_kind = 'column' and p.role_name = 'federation_peer'
           and p.object_id = 'odd.items'::regclass order by 1`,
      ),
    );
    expect(rows.map(({ name }) => name)).toEqual(["Note", "id", "owner_id"]);
  });

  test("arrives with roles, their attributes, memberships and settings", async () => {
    const { rows } = await onDatabase(url, (client) =>
      client.query(
        `select r.rolcanlogin as login, r.rolinherit as inherit, r.rolconnlimit as connections, r.rolvaliduntil as until, r.rolconfig as config, m.admin_option as admin
         from pg_roles r join pg_auth_members m on m.member = r.oid join pg_roles g on g.oid = m.roleid and g.rolname = 'odd_reader'
         where r.rolname = 'Odd Login'`,
      ),
    );
    expect(rows).toEqual([
      {
        login: true,
        inherit: false,
        connections: 3,
        until: new Date("2031-01-01T00:00:00Z"),
        config: ['search_path=odd, "$user", public'],
        admin: true,
      },
    ]);
  });

  test("has the words of a function as they were, where they look like a statement of the move", async () => {
    const { rows } = await onDatabase(url, (client) =>
      client.query<{ owner: string; text: string }>(
        "select proowner::regrole::text as owner, prosrc as text from pg_proc where proname = 'by_administrator'",
      ),
    );
    expect(rows[0]?.owner).toBe("postgres");
    expect(rows[0]?.text).toContain("\nALTER FUNCTION public.other() OWNER TO postgres;\n");
  });

  test("serves the same rows under the certificates of before, refuses the revoked one, and needs no migration", async () => {
    expect(loadConfig(gatewayPaths(directory)).tier).toBe("standalone");
    const lines: string[] = [];
    const gateway = await startGateway(directory, createLog("info", { write: (line: string) => lines.push(line) }));
    try {
      const again = [
        (await say(alice.enrolled, gateway, "list", { resource: "tasks" })).body,
        (await say(alice.enrolled, gateway, "list", { resource: "items" })).body,
      ];
      expect(JSON.stringify(again)).toContain(task(1));
      expect(JSON.stringify(again)).toContain("hers");
      expect(again).toEqual(served);
      const refused = await say(bob.enrolled, gateway, "list", { resource: "tasks" });
      expect(["TLS_REFUSED", "GRANT_REVOKED", "CERTIFICATE_REVOKED"]).toContain(refused.code);
      expect(lines.filter((line) => line.includes("committed migrations executed"))).toEqual([]);
    } finally {
      await gateway.stop();
    }
  });

  test("is not moved again onto what is there", async () => {
    const run = await move(source, url, "--dir", join(folder, "second"));
    expect([run.code, codeOf(run)]).toEqual([65, "CONFLICT"]);
    expect(run.stderr).toContain("schema app");
    expect(existsSync(gatewayPaths(join(folder, "second")).config)).toBe(false);
  });
});

describe("what a move refuses", () => {
  test("a gateway that runs", async () => {
    const url = await newDatabase("running");
    const gateway = await startGateway(source, log);
    try {
      const run = await move(source, url, "--dir", join(folder, "running"));
      expect([run.code, codeOf(run)]).toEqual([73, "GATEWAY_RUNNING"]);
      expect(await schemasOf(url)).toEqual(["public"]);
    } finally {
      await gateway.stop();
    }
  });

  test("a target in which somebody made a single table", async () => {
    const url = await newDatabase("single");
    await onDatabase(url, (client) => client.query("create table public.single (id integer)"));
    const run = await move(source, url, "--dir", join(folder, "single"));
    expect([run.code, codeOf(run)]).toEqual([65, "CONFLICT"]);
    expect(run.stderr).toContain("public.single");
  });

  test("a directory that holds a gateway", async () => {
    const run = await move(source, await newDatabase("taken"), "--dir", source);
    expect([run.code, codeOf(run)]).toEqual([65, "CONFLICT"]);
  });

  test("a database that does not answer", async () => {
    const run = await move(source, "postgres://nobody:nothing@127.0.0.1:1/nowhere", "--dir", join(folder, "nowhere"));
    expect([run.code, codeOf(run)]).toEqual([69, "UNAVAILABLE"]);
  });

  test("sealing keys that do not open what is sealed, with nothing left in the target", async () => {
    const from = copyOfSource("other-keys");
    const url = await newDatabase("other_keys");
    rmSync(gatewayPaths(from).sealKeys);
    cpSync(gatewayPaths(join(folder, "home.localhost")).sealKeys, gatewayPaths(from).sealKeys);
    const run = await move(from, url, "--dir", join(folder, "other-keys-new"));
    expect(codeOf(run)).toBe("SEAL_BROKEN");
    expect(await schemasOf(url)).toEqual(["public"]);
  });
});

test("a dry run names tables and counts, and writes nothing", async () => {
  const url = await newDatabase("dry");
  const run = await move(source, url, "--dry-run");
  const report = JSON.parse(run.stdout) as MoveReport;
  expect(report.dryRun).toBe(true);
  expect(report.tables.find(({ name }) => name === "app.tasks")).toEqual({
    name: "app.tasks",
    rows: WORK.tasks.length,
  });
  expect(await schemasOf(url)).toEqual(["public"]);
});

test("an administrator who is no superuser can be the target's", async () => {
  // Of a cluster of its own, in which no role of a gateway is.
  const managed = await startPostgresServer();
  try {
    await onDatabase(managed.url("postgres"), async (client) => {
      await client.query("create role mover login createrole password 'mover'");
      await client.query("create database by_mover owner mover");
    });
    const url = new URL(managed.url("by_mover"));
    url.username = "mover";
    url.password = "mover";
    const directory = join(folder, "by-mover");
    const run = await move(source, url.href, "--dir", directory);
    expect(run.stderr).toBe("");
    expect(await contentOf(managed.url("by_mover"), ["moved_as"])).toEqual(await contentOfGateway(source));
    const { rows } = await onDatabase(managed.url("by_mover"), (client) =>
      client.query<{ owner: string }>(
        `select nspowner::regrole::text as owner from pg_namespace where nspname = 'graphile_migrate'
         union all select proowner::regrole::text from pg_proc where proname = 'by_administrator'`,
      ),
    );
    expect(rows).toEqual([{ owner: "mover" }, { owner: "mover" }]);
    const { rows: left } = await onDatabase(url.href, (client) =>
      client.query(
        "select r from unnest(array['federation_peer', 'federation_user']) as r where pg_has_role(current_user, r, 'usage')",
      ),
    );
    expect(left).toEqual([]);
    const gateway = await startGateway(directory, log);
    await gateway.stop();
  } finally {
    await managed.stop();
  }
}, 120_000);

test("a move that ended right after its commit has only its directory left to finish", async () => {
  const url = await newDatabase("killed_late");
  const directory = join(folder, "killed-late");
  // What stands in the way of the last file stands for a process that ended before writing it.
  const inTheWay = `${gatewayPaths(directory).config}.tmp`;
  mkdirSync(inTheWay, { recursive: true });
  expect((await move(source, url, "--dir", directory)).code).not.toBe(0);
  expect(await schemasOf(url)).toContain("federation");
  expect(existsSync(gatewayPaths(directory).config)).toBe(false);
  rmSync(inTheWay, { recursive: true });

  const run = await move(source, url, "--dir", directory);
  expect((JSON.parse(run.stdout) as MoveReport).resumed).toBe(true);
  expect(readdirSync(directory).sort()).toEqual(["mosaic.config.json", "revocations.json", "secrets"]);
  expect(readFileSync(gatewayPaths(directory).sealKeys)).toEqual(readFileSync(gatewayPaths(source).sealKeys));
  const gateway = await startGateway(directory, log);
  await gateway.stop();
}, 120_000);
