import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { SignedCrl } from "../pki/authority.ts";
import { derToPem } from "../pki/der.ts";

/** The longest that anybody may go on with a list without asking, seconds: it is made anew each minute, and at each revocation. */
const MAX_AGE_SECONDS = 60;

/**
 * Sends revocation lists, in DER the first one alone (RFC 5280 §4.2.1.13), in PEM one after the other, with what a cache needs (RFC 9110
 * §8.8.3, RFC 9111): a client that has it already is told so.
 */
export type CrlSender = (
  request: IncomingMessage,
  response: ServerResponse,
  crls: readonly [SignedCrl, ...SignedCrl[]],
  format: "der" | "pem",
) => void;

/** What is sent of a list is made once. */
export function createCrlSender(): CrlSender {
  const forms = new WeakMap<SignedCrl, { pem: Buffer; digest: string }>();
  const formsOf = (crl: SignedCrl): { pem: Buffer; digest: string } => {
    const known = forms.get(crl) ?? {
      pem: Buffer.from(derToPem(crl.der, "X509 CRL")),
      digest: createHash("sha256").update(crl.der).digest("base64url").slice(0, 16),
    };
    forms.set(crl, known);
    return known;
  };
  let joined: { crls: readonly SignedCrl[]; pem: Buffer } | undefined;
  const joinedPem = (crls: readonly SignedCrl[]): Buffer => {
    if (joined?.crls.length !== crls.length || crls.some((crl, index) => crl !== joined?.crls[index])) {
      joined = { crls, pem: Buffer.concat(crls.map((crl) => formsOf(crl).pem)) };
    }
    return joined.pem;
  };
  return (request, response, crls, format) => {
    const [first] = crls;
    const sent = format === "der" ? [first] : crls;
    const left = Math.floor((Math.min(...sent.map(({ nextUpdate }) => nextUpdate.getTime())) - Date.now()) / 1_000);
    // By what is in them, too: a number says something among the lists of one issuer only.
    const etag = `"${sent.map((crl) => `${crl.number}-${formsOf(crl).digest}`).join("-")}-${format}"`;
    const headers = {
      "cache-control": `public, max-age=${Math.max(0, Math.min(MAX_AGE_SECONDS, left))}`,
      etag,
      "last-modified": first.thisUpdate.toUTCString(),
      expires: new Date(Date.now() + Math.max(0, Math.min(MAX_AGE_SECONDS, left)) * 1_000).toUTCString(),
    };
    const known = (request.headers["if-none-match"] ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
    if (known.includes(etag) || known.includes("*")) {
      response.writeHead(304, headers).end();
      return;
    }
    const body = format === "der" ? first.der : joinedPem(crls);
    response
      .writeHead(200, {
        ...headers,
        "content-type": format === "der" ? "application/pkix-crl" : "application/x-pem-file",
        "content-length": body.length,
      })
      .end(body);
  };
}
