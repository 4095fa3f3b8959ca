import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import type { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { addPeer } from "../../src/demo/actors.ts";
import { HOME, WORK } from "../../src/demo/world.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { createEmbeddedAuthority, createRoot } from "../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { loadKeyring } from "../../src/seal/keyring.ts";
import { storePeer } from "../../src/client/store-peer.ts";
import { asAdministrator } from "../../src/database/administrator.ts";
import { createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
const LIST = `query ($source: String!, $order: JSON, $first: Int, $after: String, $resource: String = "tasks") {
  list(resource: $resource, source: $source, order: $order, first: $first, after: $after) {
    rows nextCursor capped sources { source status rows error { code } }
  }
}`;

interface Page {
  rows: { title: string; due_on: string; _source: string }[];
  nextCursor: string | null;
  sources: { source: string; status: string; rows: number; error: { code: string } | null }[];
}

let work: TestGateway;
let home: TestGateway;
const servers: Server[] = [];

beforeAll(async () => {
  [work, home] = await Promise.all([
    openTestGateway("work.localhost", WORK),
    openTestGateway("home.localhost", HOME, { limits: { requestsPerMinute: 100_000, peerTimeoutMs: 1_000 } }),
  ]);
  await enrollGrant(work, home, "alice", "alice-at-home", SCOPE);
});
afterAll(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  await Promise.all([work.stop(), home.stop()]);
});

async function list(user: string, variables: Record<string, unknown>): Promise<Page> {
  const answer = await homeQuery(home, user, LIST, variables);
  expect(answer.errors).toBeUndefined();
  return (answer.data as { list: Page }).list;
}

async function refusal(user: string, variables: Record<string, unknown>): Promise<string | undefined> {
  return (await homeQuery(home, user, LIST, variables)).errors?.[0]?.extensions.code;
}

/** A peer of Alice's that is a real TLS server with a certificate of its own root, and answers as the test says. */
async function addStrangePeer(host: string, answer: Parameters<typeof createServer>[1]): Promise<void> {
  const root = createRoot({ commonName: host, lifetimeDays: 1 });
  const authority = createEmbeddedAuthority({
    ...root,
    oidArc: "1.3.6.1.4.1.32473.1",
    crlUrl: "https://127.0.0.1/crl",
  });
  const { privateKeyPem, privateKeyDer } = generateKeyPair();
  const csrPem = createCsr({ privateKeyPem, commonName: host });
  const served = await authority.issueServerCertificate({ csrPem, names: ["127.0.0.1"], lifetimeSeconds: 3_600 });
  const grantId = "00000000-0000-4000-8000-00000000aaaa";
  const ours = await authority.issueClientCertificate({
    csrPem,
    identity: { grantId, subjectUserId: "alice", host },
    lifetimeSeconds: 3_600,
  });
  const server = createServer({ cert: served.certificatePem, key: privateKeyPem }, answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await asAdministrator(home.adminUrl, (client) =>
    storePeer(client, loadKeyring(gatewayPaths(home.directory).sealKeys), "alice-at-home", {
      host,
      federationUrl: url,
      publicUrl: url,
      grantId,
      subjectUserId: "alice",
      rootDer: root.certificateDer,
      chainDer: [ours.certificateDer],
      serial: ours.serial,
      notAfter: ours.notAfter,
      privateKeyDer,
    }),
  );
}

async function removePeer(host: string): Promise<void> {
  await home.pool.query("select federation.remove_peer('alice-at-home', $1)", [host]);
}

async function rowCounts(pool: Pool): Promise<Record<string, number>> {
  const { rows: tables } = await pool.query<{ name: string }>(
    `select format('%I.%I', n.nspname, c.relname) as name
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname in ('federation', 'app', 'graphile_migrate') order by 1`,
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const { rows } = await pool.query<{ count: number }>(`select count(*)::int as count from ${name}`);
    counts[name] = rows[0]?.count ?? -1;
  }
  return counts;
}

describe("acceptance 16: source all", () => {
  test("merges the rows of every source, in the order asked for, each with its _source", async () => {
    const page = await list("alice-at-home", { source: "all", order: [{ column: "due_on" }] });
    expect(page.rows.map(({ due_on, _source }) => [due_on, _source])).toEqual([
      ["2026-12-01", "federated:work.localhost"],
      ["2026-12-02", "local"],
      ["2026-12-04", "federated:work.localhost"],
      ["2026-12-06", "local"],
      ["2026-12-08", "federated:work.localhost"],
    ]);
  });

  test("pages through every source to its end, each row once", async () => {
    const seen: string[] = [];
    let after: string | null = null;
    do {
      const page: Page = await list("alice-at-home", { source: "all", first: 1, after });
      seen.push(...page.rows.map(({ title }) => title));
      after = page.nextCursor;
    } while (after !== null);
    expect(seen.sort()).toEqual(
      [
        "Book a dentist",
        "Plan the winter holiday",
        "Renew the TLS certificate",
        "Review the failover plan",
        "Water the plants",
      ].sort(),
    );
  });

  test.each([
    ["local", ["local", "local"]],
    ["federated:work.localhost", Array.from({ length: 3 }, () => "federated:work.localhost")],
  ])("%s alone brings its own rows alone", async (source, expected) => {
    const page = await list("alice-at-home", { source });
    expect(page.rows.map(({ _source }) => _source)).toEqual(expected);
  });

  test("a source that is none, and a peer that is nobody's, are refused", async () => {
    expect(await refusal("alice-at-home", { source: "everything" })).toBe("BAD_REQUEST");
    expect(await refusal("alice-at-home", { source: "federated:nowhere.example" })).toBe("PEER_UNKNOWN");
  });

  test("get finds a row wherever it is", async () => {
    const query = `query ($id: String!) { get(resource: "tasks", id: $id, source: "all") { rows sources { source rows status } } }`;
    const answer = await homeQuery(home, "alice-at-home", query, { id: "00000000-0000-4000-8000-000000000001" });
    expect((answer.data as { get: unknown }).get).toMatchObject({
      rows: [{ title: "Renew the TLS certificate", _source: "federated:work.localhost" }],
      sources: [
        { source: "local", rows: 0, status: "ok" },
        { source: "federated:work.localhost", rows: 1, status: "ok" },
      ],
    });
  });
});

describe("a peer that fails", () => {
  test("by being slow does not fail the rest, and its error stands beside the rows", async () => {
    await addStrangePeer("slow.example", () => undefined);
    const started = performance.now();
    const page = await list("alice-at-home", { source: "all" });
    expect(performance.now() - started).toBeLessThan(8_000);
    expect(page.rows).toHaveLength(5);
    expect(page.sources).toContainEqual(
      expect.objectContaining({
        source: "federated:slow.example",
        status: "error",
        error: expect.objectContaining({ code: "PEER_TIMEOUT" }) as unknown,
      }),
    );
    await removePeer("slow.example");
  });

  test("by sending its answer in drops does not hold the rest up either", async () => {
    await addStrangePeer("drip.example", (_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      const drops = setInterval(() => response.write(" "), 100);
      response.once("close", () => {
        clearInterval(drops);
      });
    });
    const started = performance.now();
    expect(await refusal("alice-at-home", { source: "federated:drip.example" })).toBe("PEER_TIMEOUT");
    expect(performance.now() - started).toBeLessThan(8_000);
    await removePeer("drip.example");
  });

  test("by an answer nested a hundred thousand deep is PEER_PROTOCOL, and the gateway goes on", async () => {
    const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
    await addStrangePeer("deep.example", (_request, response) =>
      response.end(`{"data":{"list":{"rows":[${deep}],"nextCursor":null,"capped":false}}}`),
    );
    expect(await refusal("alice-at-home", { source: "federated:deep.example" })).toBe("PEER_PROTOCOL");
    expect((await list("alice-at-home", { source: "local" })).rows).toHaveLength(2);
    await removePeer("deep.example");
  });

  test("by being dead is PEER_UNREACHABLE", async () => {
    await addStrangePeer("dead.example", () => undefined);
    await new Promise((resolve) => servers.at(-1)?.close(resolve));
    expect(await refusal("alice-at-home", { source: "federated:dead.example" })).toBe("PEER_UNREACHABLE");
    expect((await list("alice-at-home", { source: "all" })).rows).toHaveLength(5);
    await removePeer("dead.example");
  });

  test.each([
    ["what is not JSON", "<html>"],
    ["rows that are none", JSON.stringify({ data: { list: { rows: "all", nextCursor: null, capped: false } } })],
    ["nothing", JSON.stringify({ data: null })],
  ])("by answering %s is PEER_PROTOCOL", async (_what, body) => {
    await addStrangePeer("odd.example", (_request, response) => response.end(body));
    expect(await refusal("alice-at-home", { source: "federated:odd.example" })).toBe("PEER_PROTOCOL");
    await removePeer("odd.example");
  });

  test("by claiming a _source of its own changes nothing: the caller says where a row is from", async () => {
    const body = { data: { list: { rows: [{ id: "1", _source: "local" }], nextCursor: null, capped: false } } };
    await addStrangePeer("liar.example", (_request, response) => response.end(JSON.stringify(body)));
    const page = await list("alice-at-home", { source: "federated:liar.example" });
    expect(page.rows).toEqual([{ id: "1", _source: "federated:liar.example" }]);
    await removePeer("liar.example");
  });

  test("by being another server than the one enrolled with is PEER_UNTRUSTED", async () => {
    await addStrangePeer("first.example", () => undefined);
    const { rows } = await home.pool.query<{ federation_url: string }>(
      "select federation_url from federation.federation_peers where host = 'first.example'",
    );
    await addStrangePeer("second.example", () => undefined);
    await home.pool.query("update federation.federation_peers set federation_url = $1 where host = 'second.example'", [
      rows[0]?.federation_url,
    ]);
    expect(await refusal("alice-at-home", { source: "federated:second.example" })).toBe("PEER_UNTRUSTED");
    await removePeer("first.example");
    await removePeer("second.example");
  });
});

describe("acceptance 17: nothing that came across is written anywhere", () => {
  test("the row counts of every table of the calling gateway are the same before and after", async () => {
    const before = await rowCounts(home.pool);
    const page = await list("alice-at-home", { source: "all" });
    const after = await rowCounts(home.pool);
    expect(page.rows.filter(({ _source }) => _source !== "local")).toHaveLength(3);
    // homeQuery makes a token for each call, and that is a change which the audit log has.
    const changed = Object.keys(after).filter((table) => after[table] !== before[table]);
    expect(changed.toSorted()).toEqual([
      "federation.federation_audit_log_default",
      "federation.federation_user_tokens",
    ]);
    for (const table of changed) {
      expect((after[table] ?? 0) - (before[table] ?? 0), table).toBe(1);
    }
    const { rows: newest } = await home.pool.query("select verb from federation.list_audit(null, 1)");
    expect(newest).toEqual([{ verb: "token.created" }]);
    for (const text of ["Renew the TLS certificate", "Review the failover plan"]) {
      for (const table of Object.keys(after)) {
        const { rows } = await home.pool.query(`select from ${table} t where t::text like '%' || $1 || '%'`, [text]);
        expect(rows, table).toHaveLength(0);
      }
    }
  });
});

describe("a peer belongs to the user whose rows it brings", () => {
  test("no other local user can query through it, nor see it", async () => {
    expect(await refusal("bob-at-home", { source: "federated:work.localhost" })).toBe("PEER_UNKNOWN");
    expect((await list("bob-at-home", { source: "all" })).sources.map(({ source }) => source)).toEqual(["local"]);
    const peers = await homeQuery(home, "bob-at-home", "{ allPeers { nodes { host } } }");
    expect(peers.data).toEqual({ allPeers: { nodes: [] } });
    const own = await homeQuery(home, "alice-at-home", "{ allPeers { nodes { host } } }");
    expect(own.data).toEqual({ allPeers: { nodes: [{ host: "work.localhost" }] } });
  });
});

describe("a gateway that calls itself by the host of another", () => {
  test("does not take that peer's place", async () => {
    // Of an authority of its own, whatever work's is: who shares work's certificate server is work.
    const tier = inject("template").kind === "pglite" ? "local" : "standalone";
    const impostor = await openTestGateway("work.localhost", WORK, { tier });
    try {
      const { url } = await createGrant(impostor, "alice", SCOPE);
      await expect(addPeer(home.directory, "alice-at-home", url)).rejects.toMatchObject({ code: "CONFLICT" });
      const page = await list("alice-at-home", { source: "federated:work.localhost" });
      expect(page.rows).toHaveLength(3);
    } finally {
      await impostor.stop();
    }
  });
});

describe("a grant that is pending", () => {
  test("is seen by its subject at work, and by nobody else", async () => {
    const { grantId } = await createGrant(work, "carol", { resources: ["tasks"] });
    const query = "{ allGrants { nodes { rowId status } } }";
    const carol = await homeQuery(work, "carol", query);
    expect(carol.data).toEqual({ allGrants: { nodes: [{ rowId: grantId, status: "pending" }] } });
    const bob = await homeQuery(work, "bob", query);
    expect(JSON.stringify(bob.data)).not.toContain(grantId);
  });
});
