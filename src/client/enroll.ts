import { z } from "zod";
import { FederationError } from "../errors.ts";
import { createCsr } from "../pki/csr.ts";
import { derToPem, fingerprintOf, pemBlocks, pemToDer } from "../pki/der.ts";
import { generateKeyPair } from "../pki/keys.ts";
import type { KeyPair } from "../pki/keys.ts";
import { verifyIssued } from "../pki/verify.ts";
import type { EnrollmentUrl } from "./enrollment-url.ts";
import { requestOnce } from "./request-once.ts";

/** What enrolling brings: our key and certificate for one grant of a remote gateway. Nothing of it is stored yet. */
export interface Enrolled {
  host: string;
  federationUrl: string;
  publicUrl: string;
  grantId: string;
  subjectUserId: string;
  rootDer: Buffer;
  /** Our certificate, then its intermediates. */
  chainDer: Buffer[];
  serial: string;
  notAfter: Date;
  /** PKCS#8, in the clear: the caller seals it. */
  privateKeyDer: Buffer;
}

const httpsUrl = z.url({ protocol: /^https$/ });

const enrollmentAnswer = z.object({
  certificate: z.string().max(16_384),
  chain: z.array(z.string().max(16_384)).max(4),
  host: z.string().max(253),
  federationUrl: httpsUrl,
  publicUrl: httpsUrl,
  oidArc: z.string().max(100),
});

const refusal = z.object({ errors: z.array(z.object({ extensions: z.object({ code: z.string() }) })).min(1) });

/**
 * Exchanges an enrollment URL for a certificate, trusting nobody on first use: one of the roots that the server shows must
 * have the fingerprint of the URL before the token is sent, and must vouch for the server that takes it.
 *
 * @param timeoutMs what each of the two requests may take
 * @param keyPair with the same one it may be said again, while the URL is good: an answer that was lost costs nothing
 * @throws FederationError PEER_UNTRUSTED, PEER_UNREACHABLE, PEER_PROTOCOL, TOKEN_SPENT, CERTIFICATE_INVALID
 */
export async function enroll(
  url: EnrollmentUrl,
  timeoutMs: number,
  { privateKeyPem, privateKeyDer }: KeyPair = generateKeyPair(),
): Promise<Enrolled> {
  const { hostname } = new URL(url.publicUrl);
  // Nothing is sent on this connection and nothing that comes over it is believed but what the fingerprint proves.
  const shown = await requestOnce(url.publicUrl, { rejectUnauthorized: false }, timeoutMs, {
    method: "GET",
    path: "/root.pem",
  });
  const rootDer = shown.status === 200 ? rootOf(shown.text, url.rootFingerprint) : undefined;
  if (rootDer === undefined) {
    throw new FederationError(
      "PEER_UNTRUSTED",
      `${hostname} does not show the root certificate that the enrollment URL names; ask its administrator for a new URL`,
    );
  }
  const rootPem = derToPem(rootDer, "CERTIFICATE");
  const answer = await requestOnce(url.publicUrl, { ca: rootPem }, timeoutMs, {
    method: "POST",
    path: "/enroll",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ token: url.token, csr: createCsr({ privateKeyPem, commonName: "mosaic peer" }) }),
  });
  if (answer.status !== 201) {
    throw refusalOf(answer, hostname);
  }
  const enrolled = parsed(enrollmentAnswer, answer.text);
  if (enrolled === undefined) {
    throw new FederationError("PEER_PROTOCOL", `${hostname} answered with what is no enrollment`);
  }
  const identity = verifyIssued({
    certificatePem: enrolled.certificate,
    chainPem: enrolled.chain,
    rootsPem: [rootPem],
    privateKeyPem,
    oidArc: enrolled.oidArc,
  });
  if (identity.host !== enrolled.host) {
    throw new FederationError("CERTIFICATE_INVALID", `${hostname} issued a certificate of another host`);
  }
  return {
    host: identity.host,
    federationUrl: enrolled.federationUrl,
    publicUrl: enrolled.publicUrl,
    grantId: identity.grantId,
    subjectUserId: identity.subjectUserId,
    rootDer,
    chainDer: [enrolled.certificate, ...enrolled.chain].map((pem) =>
      pemToDer(pem, "CERTIFICATE", "CERTIFICATE_INVALID"),
    ),
    serial: identity.serial,
    notAfter: identity.notAfter,
    privateKeyDer,
  };
}

function refusalOf(answer: { status: number; text: string }, hostname: string): FederationError {
  const code = parsed(refusal, answer.text)?.errors[0]?.extensions.code;
  if (code === "TOKEN_SPENT") {
    return new FederationError(
      "TOKEN_SPENT",
      "the enrollment URL has been used or has expired (15 minutes); ask the administrator who made it for a new one",
    );
  }
  if (answer.status === 503 || answer.status === 429) {
    return new FederationError(
      "PEER_UNREACHABLE",
      `${hostname} cannot enroll anybody for now (${answer.status}); the enrollment URL is still good: try again in a minute`,
    );
  }
  return new FederationError("PEER_PROTOCOL", `${hostname} refused the enrollment (${answer.status})`);
}

/** The root of a fingerprint among those that are shown; what is no certificate has none. */
function rootOf(pem: string, fingerprint: string): Buffer | undefined {
  return pemBlocks(pem, "CERTIFICATE")
    .flatMap((block) => {
      try {
        return [pemToDer(block, "CERTIFICATE", "CERTIFICATE_INVALID")];
      } catch {
        // It is refused like one with the wrong fingerprint.
        return [];
      }
    })
    .find((der) => fingerprintOf(der) === fingerprint);
}

function parsed<T>(schema: z.ZodType<T>, text: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: the same to the caller as JSON of another shape.
    return undefined;
  }
}
