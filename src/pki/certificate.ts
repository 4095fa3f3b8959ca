import { randomBytes } from "node:crypto";
import { isIP } from "node:net";
import { FederationError } from "../errors.ts";
import { children, readDer, TAG, write, writeDer } from "./der.ts";
import type { Asn1 } from "./der.ts";
import { ECDSA_WITH_SHA256, keyIdentifier, signed } from "./keys.ts";

/** Who signs: the subject and key of an authority. */
export interface Issuer {
  /** The authority's subject name as its own certificate writes it, DER. */
  nameDer: Buffer;
  publicKeyDer: Buffer;
  /** PKCS#8. */
  privateKeyDer: Buffer;
}

/** What a certificate is to say. */
export interface CertificateRequest {
  commonName: string;
  /** SubjectPublicKeyInfo. */
  publicKeyDer: Buffer;
  notBefore: Date;
  notAfter: Date;
  usage: "authority" | "client" | "server";
  /** Of an authority: how many levels of authorities may come below it (RFC 5280 §4.2.1.9); none unless said otherwise. */
  authoritiesBelow?: number;
  /** The value of SubjectAltName, DER. */
  subjectAltName?: Buffer;
  crlUrl?: string;
}

/** Name of RFC 5280 §4.1.2.4 with one common name, DER. */
export function nameOf(commonName: string): Asn1 {
  return write.sequence(write.set(write.sequence(write.oid("2.5.4.3"), write.utf8(commonName))));
}

/** The subject name of a certificate, DER. */
export function subjectNameOf(certificateDer: Buffer): Buffer {
  const [toBeSigned] = children(readDer(certificateDer, "CERTIFICATE_INVALID"), TAG.SEQUENCE, "CERTIFICATE_INVALID");
  const subject = children(toBeSigned, TAG.SEQUENCE, "CERTIFICATE_INVALID")[5];
  return subject === undefined ? Buffer.alloc(0) : writeDer(subject);
}

/** SubjectAltName of a server: names and IP addresses, DER (RFC 5280 §4.2.1.6). */
export function serverAltName(names: readonly string[]): Buffer {
  return writeDer(
    write.sequence(
      ...names.map((name) => {
        const host = name.replace(/^\[(.*)\]$/, "$1");
        switch (isIP(host)) {
          case 4:
            return write.contextBytes(7, Buffer.from(host.split(".").map(Number)));
          case 6:
            return write.contextBytes(7, ipv6Bytes(host));
          default:
            return write.contextBytes(2, Buffer.from(host, "latin1"));
        }
      }),
    ),
  );
}

function ipv6Bytes(address: string): Buffer {
  // URL parsing writes an address in one way: hexadecimal groups only, no zone.
  const canonical = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1);
  if (canonical === undefined) {
    throw new FederationError("CONFIG_INVALID", `${address} is not an address that a certificate can name`);
  }
  const [before = [], after = []] = canonical
    .split("::")
    .map((half) => half.split(":").filter((group) => group !== ""));
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, "0")).join(""), "hex");
}

/**
 * Signs a version 3 certificate with a random serial number of 127 bits (RFC 5280 §4.1.2.2).
 *
 * @param issuer the authority; the certificate's own key where it signs itself
 * @returns DER
 */
export function signCertificate(request: CertificateRequest, issuer: Issuer): Buffer {
  const serial = randomBytes(16);
  // Positive, and of full length, so that its hex never loses a digit.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const toBeSigned = write.sequence(
    write.context(0, write.integer(Buffer.of(2))),
    write.integer(serial),
    write.sequence(write.oid(ECDSA_WITH_SHA256)),
    readDer(issuer.nameDer, "CERTIFICATE_INVALID"),
    write.sequence(write.time(request.notBefore), write.time(request.notAfter)),
    nameOf(request.commonName),
    readDer(request.publicKeyDer, "CERTIFICATE_INVALID"),
    write.context(3, write.sequence(...extensionsOf(request, issuer))),
  );
  return signed(toBeSigned, issuer.privateKeyDer);
}

function extensionsOf(request: CertificateRequest, issuer: Issuer): Asn1[] {
  const { usage } = request;
  const extensions = [
    extension(
      "2.5.29.19",
      usage === "authority"
        ? write.sequence(write.boolean(true), write.integer(Buffer.of(request.authoritiesBelow ?? 0)))
        : write.sequence(),
      true,
    ),
    // digitalSignature for ends, keyCertSign and cRLSign for the authority (RFC 5280 §4.2.1.3).
    extension(
      "2.5.29.15",
      usage === "authority" ? write.bits(Buffer.of(0x06), 1) : write.bits(Buffer.of(0x80), 7),
      true,
    ),
    extension("2.5.29.14", write.octets(keyIdentifier(request.publicKeyDer))),
    extension("2.5.29.35", write.sequence(write.contextBytes(0, keyIdentifier(issuer.publicKeyDer)))),
  ];
  if (usage !== "authority") {
    const purpose = usage === "client" ? "1.3.6.1.5.5.7.3.2" : "1.3.6.1.5.5.7.3.1";
    extensions.push(extension("2.5.29.37", write.sequence(write.oid(purpose))));
  }
  if (request.subjectAltName !== undefined) {
    extensions.push(extension("2.5.29.17", readDer(request.subjectAltName, "CERTIFICATE_INVALID")));
  }
  if (request.crlUrl !== undefined) {
    const address = write.contextBytes(6, Buffer.from(request.crlUrl, "latin1"));
    extensions.push(
      extension("2.5.29.31", write.sequence(write.sequence(write.context(0, write.context(0, address))))),
    );
  }
  return extensions;
}

function extension(oid: string, value: Asn1, critical = false): Asn1 {
  return write.sequence(write.oid(oid), ...(critical ? [write.boolean(true)] : []), write.octets(writeDer(value)));
}
