import { Pool } from "pg";
import { z } from "zod";
import { createRevocationNews } from "../../client/revocation-news.ts";
import { createPeerConnections } from "../../client/peer-connections.ts";
import type { PeerConnections } from "../../client/peer-connections.ts";
import type { Peer } from "../../client/peer.ts";
import { asAdministrator } from "../../database/administrator.ts";
import { createSessions } from "../../database/session.ts";
import { startDeadline } from "../../deadline.ts";
import { asFederationError } from "../../errors.ts";
import type { ErrorCode, FederationError } from "../../errors.ts";
import { unrecordedSpan } from "../../observability/span.ts";
import { pemToDer, readX509 } from "../../pki/der.ts";
import { peersOfUser } from "../../source/peers-of-user.ts";
import type { UsedGateway } from "../use-database.ts";
import { expiry } from "./findings.ts";
import type { Finding, Found } from "./findings.ts";

/** The version of the wire protocol that this release speaks (docs/reference/protocol.md). */
const PROTOCOL = 1;
const AT_ONCE = 8;

/** How a peer does as a gateway that runs sees it (`federation.status()`). */
interface Seen {
  user: string;
  host: string;
  circuit: "closed" | "open" | "half-open";
  last_success: string | null;
  last_failure_code: string | null;
  offline_since: string | null;
}

/** A peer as administrators see it. */
interface KnownPeer {
  id: string;
  owner_user_id: string;
  host: string;
  state: Peer["state"];
  renewal_failures: number;
  renewal_failure_code: string | null;
}

const answer = z.object({ protocol: z.number() });

/** By the code that a peer refuses with: what it means for the peer, and what to do. What is not here is told as it is. */
const REFUSALS: Partial<Record<ErrorCode, Omit<Found, "detail"> & { detail: string }>> = {
  GRANT_SUSPENDED: {
    status: "yellow",
    detail: "it has suspended the grant",
    remedy: "ask its administrator when the grant is resumed",
  },
  RATE_LIMITED: {
    status: "yellow",
    detail: "it answers, and the grant has used its requests for now",
    remedy: "look again in a minute",
  },
  GRANT_REVOKED: ended("revoked the grant"),
  GRANT_EXPIRED: ended("let the grant expire"),
  CERTIFICATE_REVOKED: ended("revoked our certificate"),
  CERTIFICATE_UNKNOWN: ended("no record of our certificate"),
  PEER_UNTRUSTED: {
    status: "red",
    detail: "who answers there is not of the root that was pinned at enrollment, or refuses our certificate",
    remedy: "ask its administrator; enroll again if it has a new root",
  },
};

/**
 * Asks each peer of every local user what it can do, by a real request over mTLS: it takes a token of the grant's bucket there and is
 * audited there.
 */
export async function lookAtPeers({ config, adminUrl, gatewayUrl, keyring }: UsedGateway): Promise<Finding[]> {
  const { known, seen } = await asAdministrator(adminUrl, async (client) => ({
    known: (await client.query<KnownPeer>("select * from federation.list_peers() order by owner_user_id, host")).rows,
    // Nothing of peers that no gateway which runs has asked yet.
    seen: (await client.query<Seen>(SEEN)).rows,
  }));
  const owners = [...new Set(known.map(({ owner_user_id: id }) => id))];
  const pool = new Pool({ connectionString: gatewayUrl, pipeline: true, max: 2 });
  pool.on("error", () => undefined);
  const timeoutMs = config.limits.peerTimeoutMs;
  const connections = createPeerConnections({ keyring: () => keyring, timeoutMs });
  try {
    const sessions = createSessions(pool, { statementTimeoutMs: config.limits.statementTimeoutMs });
    const peers: { owner: string; peer: Peer }[] = [];
    for (const id of owners) {
      for (const peer of await peersOfUser(sessions, id)) {
        peers.push({ owner: id, peer });
      }
    }
    const findings: Finding[] = [];
    for (let at = 0; at < peers.length; at += AT_ONCE) {
      const found = await Promise.all(
        peers
          .slice(at, at + AT_ONCE)
          .map(async ({ owner, peer }) => [
            ...(await lookAtPeer(owner, peer, connections, timeoutMs)),
            ...seen.filter(({ user, host }) => user === owner && host === peer.host).map(circuitOf),
          ]),
      );
      findings.push(...found.flat());
    }
    findings.push(...known.filter(({ state }) => state !== "revoked").flatMap(lookAtRenewal));
    return findings;
  } finally {
    await connections.close();
    await pool.end();
  }
}

const SEEN = `
  select p."user", p.host, p.circuit, p."lastSuccessAt" as last_success, p."lastFailureCode" as last_failure_code, p."offlineSince" as offline_since
  from jsonb_to_recordset(federation.status() -> 'peers') as p (
    "user" text, host text, circuit text, "lastSuccessAt" text, "lastFailureCode" text, "offlineSince" text
  )
  where p.circuit is not null`;

/** What the gateway that runs makes of a peer: it may leave one alone that answers again by now. */
function circuitOf(seen: Seen): Finding {
  const place = { scope: "remote", peer: seen.host, name: `circuit to ${seen.host} of ${seen.user}` } as const;
  if (seen.circuit === "closed" && seen.offline_since === null) {
    return { ...place, status: "green", detail: `closed, last answered ${seen.last_success ?? "never"}` };
  }
  return {
    ...place,
    status: "yellow",
    detail: `${seen.circuit}, offline since ${seen.offline_since ?? "now"} (${seen.last_failure_code ?? "no answer"})`,
    remedy:
      "the gateway asks it again by itself after the cooldown (circuit.cooldownMs); mosaic federation status --watch",
  };
}

async function lookAtPeer(
  owner: string,
  peer: Peer,
  connections: PeerConnections,
  timeoutMs: number,
): Promise<Finding[]> {
  const place = { scope: "remote", peer: peer.host } as const;
  const name = `peer ${peer.host} of ${owner}`;
  if (peer.state === "revoked") {
    return [{ ...place, name, ...ended("ended the grant"), status: "yellow" }];
  }
  const [leaf = ""] = peer.certificateChainPem;
  const { validFrom, validTo } = readX509(pemToDer(leaf, "CERTIFICATE", "CERTIFICATE_INVALID"), "CERTIFICATE_INVALID");
  return [
    { ...place, name, ...(await ask(peer, connections, timeoutMs)) },
    {
      ...place,
      name: `certificate for ${peer.host} of ${owner}`,
      ...expiry(
        { validFrom: new Date(validFrom), validTo: new Date(validTo) },
        peer.certificateEnded
          ? "mosaic federation peer add, with a new enrollment URL of its administrator"
          : `does a worker run? mosaic federation peer renew ${peer.host} --user ${owner}`,
      ),
    },
  ];
}

/** Nothing where no renewal failed. */
function lookAtRenewal({
  host,
  owner_user_id: owner,
  renewal_failures: failures,
  renewal_failure_code: code,
}: KnownPeer): Finding[] {
  return code === null
    ? []
    : [
        {
          scope: "remote",
          peer: host,
          name: `renewal for ${host} of ${owner}`,
          status: "yellow",
          detail: `failed ${failures} times, the last with ${code}`,
          remedy:
            code === "CERTIFICATE_EXPIRED" || code === "CONFLICT"
              ? "mosaic federation peer add, with a new enrollment URL of its administrator"
              : `ask its administrator, then: mosaic federation peer renew ${host} --user ${owner}`,
        },
      ];
}

async function ask(peer: Peer, connections: PeerConnections, timeoutMs: number): Promise<Found> {
  const started = performance.now();
  const deadline = startDeadline(timeoutMs);
  let said: unknown;
  try {
    said = await connections.request(peer, "capabilities", {}, deadline, unrecordedSpan());
  } catch (error) {
    return refusalOf(await createRevocationNews().explain(peer, asFederationError(error), deadline), peer);
  } finally {
    deadline.end();
  }
  const ms = Math.round(performance.now() - started);
  const { data } = answer.safeParse(said);
  if (data?.protocol !== PROTOCOL) {
    return {
      status: "red",
      detail: `it speaks protocol ${data?.protocol ?? "unknown"}, and this release speaks ${PROTOCOL}`,
      remedy: "upgrade the older one of both gateways",
    };
  }
  return { status: "green", detail: `reachable in ${ms} ms, protocol ${PROTOCOL}` };
}

function refusalOf(fault: FederationError, peer: Peer): Found {
  return (
    REFUSALS[fault.code] ?? {
      status: "red",
      detail: `${fault.message} (${fault.code})`,
      remedy: `ask its administrator whether it runs; is ${peer.federationUrl} reachable from here?`,
    }
  );
}

function ended(how: string): Found {
  return {
    status: "red",
    detail: `it has ${how}`,
    remedy: "mosaic federation peer add, with a new enrollment URL, or mosaic federation peer remove",
  };
}
