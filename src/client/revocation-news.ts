import { Client } from "undici";
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

/** How long an answer holds before the list is asked for again, ms: a peer that is down is not asked for its list at each try. */
const PAUSE_MS = 1_000;
/** What fetching a list may take, ms. */
const FETCH_MS = 3_000;
/** Of all its lists, in PEM. */
const MAX_CRL_BYTES = 24 * 1024 * 1024;
const CODE = "CERTIFICATE_INVALID";

/** Looks at the lists of peers, each at most once a second. */
export function createRevocationNews(): RevocationNews {
  interface Known {
    serial: string;
    until: number;
    reason: Promise<ErrorCode | undefined>;
  }
  const known = new Map<string, Known>();

  const reasonOf = (peer: Peer, ms: number): Promise<ErrorCode | undefined> => {
    const last = known.get(peer.id);
    if (last?.serial === peer.certificateSerial && performance.now() < last.until) {
      return last.reason;
    }
    const reason = revocationOf(peer, ms).catch(() => undefined);
    known.set(peer.id, { serial: peer.certificateSerial, until: performance.now() + PAUSE_MS, reason });
    return reason;
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
 * Why our certificate is in its issuer's list; undefined where it is not. A list that is old says it as well as a new one: what is revoked
 * stays so, and whether a list without our certificate is the newest makes no difference here.
 *
 * @throws FederationError CERTIFICATE_INVALID where no list is the issuer's; the transport's errors
 */
async function revocationOf(peer: Peer, ms: number): Promise<ErrorCode | undefined> {
  const client = new Client(new URL(peer.publicUrl).origin, {
    connect: { ca: [peer.rootPem, ...peer.trustedRootsPem], minVersion: "TLSv1.3", timeout: ms },
    maxResponseSize: MAX_CRL_BYTES,
    allowH2: false,
  });
  try {
    const { statusCode, body } = await client.request({
      method: "GET",
      path: `${new URL(peer.publicUrl).pathname.replace(/\/$/, "")}/crl.pem`,
      signal: AbortSignal.timeout(Math.max(1, Math.floor(ms))),
    });
    const text = await body.text();
    if (statusCode !== 200) {
      return undefined;
    }
    const { revokedSerials, reasons } = listOf(issuerOf(peer), text);
    if (!revokedSerials.has(peer.certificateSerial)) {
      return undefined;
    }
    return MEANINGS[reasons.get(peer.certificateSerial) ?? ""] ?? "CERTIFICATE_REVOKED";
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
  for (const block of pemBlocks(text, "X509 CRL")) {
    try {
      return readCrl(Buffer.from(block.replace(/-----[^-]+-----/g, ""), "base64"), issuerDer);
    } catch (error) {
      refusal = error;
    }
  }
  throw refusal;
}
