import { X509Certificate } from "node:crypto";
import type { Credentials } from "../../src/demo/actors.ts";
import { signCertificate, subjectNameOf } from "../../src/pki/certificate.ts";
import { derToPem } from "../../src/pki/der.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { openSigner } from "./signer.ts";

/** From when until when a certificate is good. */
export interface Validity {
  notBefore: Date;
  notAfter: Date;
}

/** From so many seconds from now, which may be less than none, until so many. */
export function validFrom(seconds: number, untilSeconds: number): Validity {
  return { notBefore: new Date(Date.now() + seconds * 1_000), notAfter: new Date(Date.now() + untilSeconds * 1_000) };
}

/**
 * A client certificate that the gateway's own authority signed, and that says what it likes.
 *
 * @param subjectAltName whom it speaks for, as the extension has it; undefined for nobody
 */
export async function craftedCredentials(
  directory: string,
  subjectAltName: Buffer | undefined,
  commonName: string,
  validity: Validity = validFrom(-60, 3_600),
): Promise<Credentials> {
  const { certificateDer, privateKeyDer, chainPem } = await openSigner(directory);
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const der = signCertificate(
    {
      ...{ commonName, usage: "client", publicKeyDer },
      ...validity,
      ...(subjectAltName === undefined ? {} : { subjectAltName }),
    },
    {
      nameDer: subjectNameOf(certificateDer),
      publicKeyDer: new X509Certificate(certificateDer).publicKey.export({ type: "spki", format: "der" }),
      privateKeyDer,
    },
  );
  return { certificate: [derToPem(der, "CERTIFICATE"), ...chainPem].join(""), key: privateKeyPem };
}
