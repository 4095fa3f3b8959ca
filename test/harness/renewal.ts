import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { Client } from "undici";
import { createPeerRenewals } from "../../src/client/peer-renewals.ts";
import type { PeerRenewals } from "../../src/client/peer-renewals.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import type { Credentials } from "../../src/demo/actors.ts";
import { createLog } from "../../src/observability/log.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { loadKeyring } from "../../src/seal/keyring.ts";
import type { TestGateway } from "./gateway.ts";

/** What a worker of a gateway renews by. */
export function renewalsOf(home: TestGateway): PeerRenewals {
  return createPeerRenewals({
    adminUrl: home.adminUrl,
    keyring: () => loadKeyring(gatewayPaths(home.directory).sealKeys),
    timeoutMs: 5_000,
    log: createLog("silent"),
  });
}

/** What a gateway answered, or that it refused the connection. */
export interface PostAnswer {
  status: number | undefined;
  /** `OK`, the error's code, or `TLS_REFUSED`. */
  code: string;
  body: Record<string, unknown>;
}

/** Posts to a path of a federation listener, by a certificate. */
export async function post(
  url: string,
  ca: string,
  { certificate: cert, key }: Credentials,
  path: string,
  body?: unknown,
): Promise<PostAnswer> {
  const client = new Client(url, { connect: { ca, cert, key } });
  try {
    const answer = await client.request({
      method: "POST",
      path,
      ...(body === undefined
        ? {}
        : {
            headers: { "content-type": "application/json" },
            body: typeof body === "string" ? body : JSON.stringify(body),
          }),
    });
    const read = (await answer.body.json()) as Record<string, unknown> & {
      errors?: { extensions: { code: string } }[];
    };
    return { status: answer.statusCode, code: read.errors?.[0]?.extensions.code ?? "OK", body: read };
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      /^(ERR_SSL|ECONNRESET|UND_ERR_SOCKET|EPIPE)/.test(String(error.code))
    ) {
      return { status: undefined, code: "TLS_REFUSED", body: {} };
    }
    throw error;
  } finally {
    await client.destroy();
  }
}

/** A request for a new key, and the key. */
export function newRequest(): { csr: string; key: string } {
  const { privateKeyPem: key } = generateKeyPair();
  return { csr: createCsr({ privateKeyPem: key, commonName: "mosaic peer" }), key };
}

/** Our side of a peer as the database has it. */
export interface PeerRecord {
  id: string;
  certificate_serial: string;
  state: string;
  renewal_failures: number;
  renewal_failure_code: string | null;
  ended_because: string | null;
}

export async function peerRecord(home: TestGateway, user: string): Promise<PeerRecord> {
  const { rows } = await home.pool.query<PeerRecord>("select * from federation.list_peers() where owner_user_id = $1", [
    user,
  ]);
  const [row] = rows;
  if (row === undefined) {
    throw new Error(`${user} has no peer`);
  }
  return row;
}

/** Lets time pass for what our side remembers of a peer: its certificate is near its end, its last attempt long ago. */
export async function makeDue(home: TestGateway, user: string): Promise<void> {
  await home.pool.query(
    `update federation.federation_peers
     set certificate_not_after = now() + interval '5 seconds', renewal_failed_at = renewal_failed_at - interval '1 day'
     where owner_user_id = $1`,
    [user],
  );
}

/** Renews what is due in a process whose clock is off by so many ms; on the right one's database. */
export async function renewByWrongClock(home: TestGateway, ms: number): Promise<{ now: string; due: string[] }> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(import.meta.dirname, "renew-by-wrong-clock.ts"),
    String(ms),
    home.adminUrl,
    gatewayPaths(home.directory).sealKeys,
  ]);
  return JSON.parse(stdout) as { now: string; due: string[] };
}
