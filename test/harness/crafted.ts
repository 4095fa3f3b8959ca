import { X509Certificate } from "node:crypto";
import type { Credentials } from "../../src/demo/actors.ts";
import { signCertificate, subjectNameOf } from "../../src/pki/certificate.ts";
import { derToPem } from "../../src/pki/der.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { openSigner } from "./signer.ts";

/**
 * A client certificate that the gateway's own authority signed, and that says what it likes.
 *
 * @param subjectAltName whom it speaks for, as the extension has it; undefined for nobody
 */
export async function craftedCredentials(
  directory: string,
  subjectAltName: Buffer | undefined,
  commonName: string,
): Promise<Credentials> {
  const { certificateDer, privateKeyDer, chainPem } = await openSigner(directory);
  const { privateKeyPem, publicKeyDer } = generateKeyPair();
  const der = signCertificate(
    {
      ...{ commonName, usage: "client", publicKeyDer },
      notBefore: new Date(Date.now() - 60_000),
      notAfter: new Date(Date.now() + 3_600_000),
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
