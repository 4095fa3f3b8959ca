import { createHash } from "node:crypto";
import { LRUCache } from "lru-cache";
import { Client } from "undici";
import { before } from "../deadline.ts";
import type { Deadline } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import { readCrl } from "../pki/crl.ts";
import type { Crl } from "../pki/crl.ts";
import { pemBlocks, readX509 } from "../pki/der.ts";
import type { Peer } from "./peer.ts";

/** Tells a peer that has ended our grant from one that cannot be reached. */
export interface RevocationNews {
  /**
   * A gateway that refuses our certificate ends the connection without a word, as a broken network does. So what failed below HTTP is looked
   * up in the list that the peer publishes, signed by whoever issued our certificate.
   *
   * @returns the failure as it was or, where our own certificate is in that list, why it is
   */
  explain(peer: Peer, failure: FederationError, deadline: Deadline): Promise<FederationError>;
}

/** What the reason in the list says of our grant (RFC 5280 §5.3.1): as the issuing gateway writes it. */
const MEANINGS: Readonly<Record<string, ErrorCode>> = {
  privilegeWithdrawn: "GRANT_REVOKED",
  cessationOfOperation: "GRANT_EXPIRED",
};

/** What fetching a list may take, ms. */
const FETCH_MS = 3_000;
/** Of all its lists, in PEM: of 110 000 certificates. To read that much takes a good part of a second, in which nobody else is answered. */
const MAX_CRL_BYTES = 8 * 1024 * 1024;
/** A gateway has a list for each root that it trusts, and it trusts eight at most. */
const MOST_LISTS = 16;
/** After each list is waited for so many times what it took to fetch and read it: a gateway whose lists are slow or long gets a twentieth of our time. */
const PAUSE_FACTOR = 20;
/** The least and the most of that, ms: a peer that is down is not asked for its list at each try, and one that was slow once is asked again. */
const [LEAST_PAUSE_MS, MOST_PAUSE_MS] = [1_000, 60_000];
/** Entries of lists that are kept while they are waited for, together: some 100 MB. */
const MOST_ENTRIES = 500_000;
/** Of one of them: no peer's list takes the place of all others, with the pauses that stand beside it. */
const MOST_ENTRIES_OF_ONE = 120_000;
const CODE = "CERTIFICATE_INVALID";

/** Looks at the lists of issuers, at each for all peers at once, and not again before a pause. */
export function createRevocationNews(): RevocationNews {
  const lists = new LRUCache<string, { list: Promise<Crl | undefined> }>({
    maxSize: MOST_ENTRIES,
    sizeCalculation: () => 1,
    ttl: FETCH_MS + MOST_PAUSE_MS,
    ttlAutopurge: true,
  });

  const listFor = async (peer: Peer): Promise<Crl | undefined> => {
    const issuerDer = issuerOf(peer);
    // What a gateway says of its addresses is its own word: one that names another's gets no say in when that one is asked.
    const key = `${createHash("sha256").update(issuerDer).digest("hex")} ${peer.publicUrl}`;
    const known = lists.get(key);
    if (known !== undefined) {
      return known.list;
    }
    const started = performance.now();
    const asked = {
      list: fetchList(peer, issuerDer)
        .catch(() => undefined)
        .then((list) => {
          const took = performance.now() - started;
          const ttl = Math.min(MOST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, PAUSE_FACTOR * took));
          const size = 1 + (list?.revokedSerials.size ?? 0);
          // One that is too long to be kept is not asked for again before its pause either.
          const isKept = size <= MOST_ENTRIES_OF_ONE;
          lists.set(key, isKept ? asked : { list: Promise.resolve(undefined) }, { ttl, size: isKept ? size : 1 });
          return list;
        }),
    };
    lists.set(key, asked);
    return asked.list;
  };

  /** Why our certificate is in its issuer's list; undefined where it is not, or where that could not be learnt in time. */
  const reasonOf = async (peer: Peer, ms: number): Promise<ErrorCode | undefined> => {
    // Others may wait for the same list, and longer.
    const list = await before(AbortSignal.timeout(Math.max(1, Math.floor(ms))), listFor(peer)).catch(() => undefined);
    if (list?.revokedSerials.has(peer.certificateSerial) !== true) {
      return undefined;
    }
    return MEANINGS[list.reasons.get(peer.certificateSerial) ?? ""] ?? "CERTIFICATE_REVOKED";
  };

  return {
    explain: async (peer, failure, deadline) => {
      const isUnexplained = failure.code === "PEER_UNREACHABLE" && failure.details["status"] === undefined;
      const code = isUnexplained ? await reasonOf(peer, Math.min(FETCH_MS, deadline.left() / 2)) : undefined;
      return code === undefined
        ? failure
        : new FederationError(
            code,
            `${peer.host} has ended the grant; "mosaic federation peer add" takes a new one (its revocation list names our certificate)`,
            { cause: failure },
          );
    },
  };
}

/**
 * The list of who issued our certificate, as the peer shows it. One that is old says of a certificate that is in it as much as a new one: what is
 * revoked stays so, and whether a list without our certificate is the newest makes no difference here.
 *
 * @throws FederationError CERTIFICATE_INVALID where no list is the issuer's; the transport's errors
 */
async function fetchList(peer: Peer, issuerDer: Buffer): Promise<Crl | undefined> {
  const client = new Client(new URL(peer.publicUrl).origin, {
    connect: { ca: [peer.rootPem, ...peer.trustedRootsPem], minVersion: "TLSv1.3", timeout: FETCH_MS },
    maxResponseSize: MAX_CRL_BYTES,
    allowH2: false,
  });
  try {
    const { statusCode, body } = await client.request({
      method: "GET",
      path: `${new URL(peer.publicUrl).pathname.replace(/\/$/, "")}/crl.pem`,
      signal: AbortSignal.timeout(FETCH_MS),
    });
    const text = await body.text();
    return statusCode === 200 ? listOf(issuerDer, text) : undefined;
  } finally {
    await client.destroy();
  }
}

/** Who signed our certificate, DER. @throws FederationError CERTIFICATE_INVALID where it is nobody whom we know */
function issuerOf(peer: Peer): Buffer {
  const [own = "", ...chain] = peer.certificateChainPem;
  const certificate = readX509(own, CODE);
  for (const pem of [...chain, peer.rootPem, ...peer.trustedRootsPem]) {
    const issuer = readX509(pem, CODE);
    if (certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)) {
      return issuer.raw;
    }
  }
  throw new FederationError(CODE, "our certificate was signed by nobody whom we know");
}

/** The list among these that the issuer of our certificate signed: others are of other authorities of the peer. */
function listOf(issuerDer: Buffer, text: string): Crl {
  let refusal: unknown = new FederationError(CODE, "there is no revocation list");
  for (const block of pemBlocks(text, "X509 CRL").slice(0, MOST_LISTS)) {
    try {
      return readCrl(Buffer.from(block.replace(/-----[^-]+-----/g, ""), "base64"), issuerDer);
    } catch (error) {
      refusal = error;
    }
  }
  throw refusal;
}
