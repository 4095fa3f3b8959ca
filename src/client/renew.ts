import { z } from "zod";
import { TIMEOUT_HEADER } from "../deadline.ts";
import { FederationError } from "../errors.ts";
import { createCsr } from "../pki/csr.ts";
import { pemToDer, readX509 } from "../pki/der.ts";
import { readPeerIdentity } from "../pki/identity.ts";
import { generateKeyPair } from "../pki/keys.ts";
import { verifyIssued } from "../pki/verify.ts";
import { refusalOf } from "./peer-connections.ts";
import { requestOnce } from "./request-once.ts";

/** A peer, and the certificate that we prove ourselves by. */
export interface Credentials {
  host: string;
  federationUrl: string;
  /** Who may vouch for the peer and for what it issues, PEM; the first is the one that was pinned. */
  rootsPem: string[];
  /** Our certificate, then its intermediates, PEM. */
  chainPem: string[];
  /** PKCS#8, PEM. */
  keyPem: string;
}

/** What a renewal brought. Nothing of it is stored yet. */
export interface Renewed {
  serial: string;
  notAfter: Date;
  chainPem: string[];
  /** PKCS#8, in the clear: the caller seals it. */
  privateKeyDer: Buffer;
  keyPem: string;
  /** Every root that the peer says is to be trusted now, PEM, and none that it does not name any more; the pinned one first, where it is named. */
  rootsPem: string[];
}

const certificate = z.string().max(16_384);
const renewalAnswer = z.object({
  certificate,
  chain: z.array(certificate).max(4),
  roots: z.array(certificate).min(1).max(8),
  oidArc: z.string().max(100),
});
const errorBody = z.object({ errors: z.array(z.object({ extensions: z.object({ code: z.string() }) })).min(1) });

/**
 * Asks a peer for a new certificate, for a new key, by the one that we have. What it answers is checked like an enrollment: a root that
 * is trusted vouches for it, the key is ours, and it speaks for whom the one before it spoke.
 *
 * @param timeoutMs what the request may take
 * @throws FederationError PEER_UNREACHABLE, PEER_TIMEOUT, PEER_UNTRUSTED, PEER_PROTOCOL, CERTIFICATE_INVALID, or the code that the peer refused with
 */
export async function requestRenewal(peer: Credentials, timeoutMs: number): Promise<Renewed> {
  const { privateKeyPem, privateKeyDer } = generateKeyPair();
  const csr = createCsr({ privateKeyPem, commonName: "mosaic peer" });
  const answer = renewalAnswer.safeParse(await ask(peer, timeoutMs, "/renew", { csr }));
  if (!answer.success) {
    throw new FederationError("PEER_PROTOCOL", `${peer.host} answered with what is no renewal`);
  }
  const { certificate: certificatePem, chain, roots, oidArc } = answer.data;
  // They came over a connection that a trusted root vouched for; nothing else tells us of a new one, or that one has retired.
  const pinned = derOf(peer.rootsPem[0] ?? "");
  const rootsPem = roots.toSorted((a, b) => Number(derOf(b).equals(pinned)) - Number(derOf(a).equals(pinned)));
  const identity = verifyIssued({ certificatePem, chainPem: chain, rootsPem, privateKeyPem, oidArc });
  const before = readPeerIdentity(derOf(peer.chainPem[0] ?? ""), oidArc);
  if (
    identity.grantId !== before.grantId ||
    identity.subjectUserId !== before.subjectUserId ||
    identity.host !== before.host ||
    identity.serial === before.serial
  ) {
    throw new FederationError("CERTIFICATE_INVALID", `${peer.host} issued a certificate that speaks for another`);
  }
  return {
    serial: identity.serial,
    notAfter: identity.notAfter,
    chainPem: [certificatePem, ...chain],
    privateKeyDer,
    keyPem: privateKeyPem,
    rootsPem,
  };
}

/**
 * Asks a peer by a certificate what anybody with a good one may ask. In TLS 1.3 a handshake that a client has ended says nothing of
 * whether the server took its certificate: an answer does.
 *
 * @throws FederationError as `requestRenewal`
 */
export async function tryCertificate(peer: Credentials, timeoutMs: number): Promise<void> {
  await ask(peer, timeoutMs, "/federation", { documentId: "capabilities", variables: {} });
}

/**
 * Tells a peer, by our certificate, that it is the one that we go on with.
 *
 * @throws FederationError as `requestRenewal`
 */
export async function confirmCertificate(peer: Credentials, timeoutMs: number): Promise<void> {
  await ask(peer, timeoutMs, "/renew/confirm");
}

async function ask(peer: Credentials, timeoutMs: number, path: string, body?: unknown): Promise<unknown> {
  const { origin, pathname } = new URL(peer.federationUrl);
  const { status, text } = await requestOnce(
    origin,
    { ca: peer.rootsPem, cert: peer.chainPem.join(""), key: peer.keyPem, maxCachedSessions: 0 },
    timeoutMs,
    {
      method: "POST",
      path: pathname.replace(/\/$/, "") + path,
      headers: {
        [TIMEOUT_HEADER]: String(Math.max(1, Math.floor(timeoutMs))),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    },
  );
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new FederationError("PEER_PROTOCOL", `${peer.host} answered ${status} with what is no answer of a gateway`, {
      cause,
    });
  }
  if (status !== 200 && status !== 201) {
    throw refusalOf(peer.host, errorBody.safeParse(answer).data?.errors[0]?.extensions.code, status);
  }
  return answer;
}

function derOf(pem: string): Buffer {
  const der = pemToDer(pem, "CERTIFICATE", "CERTIFICATE_INVALID");
  readX509(der, "CERTIFICATE_INVALID");
  return der;
}
