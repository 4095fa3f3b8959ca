import { mixedCredentials } from "../../src/demo/actors.ts";
import type { Credentials, Signer } from "../../src/demo/actors.ts";
import { children, derToPem, pemBlocks, pemToDer, readDer, TAG, write } from "../../src/pki/der.ts";
import { signed } from "../../src/pki/keys.ts";

const CODE = "CERTIFICATE_INVALID";

/**
 * What a thief makes who has the key of an authority and knows a live certificate: another one, of the thief's own key, with the same grant,
 * subject and serial number.
 *
 * @param serial hex
 */
export async function forgedCredentials(
  signer: Signer,
  { grantId, subject, serial }: { grantId: string; subject: string; serial: string },
): Promise<Credentials> {
  const { certificate, key } = await mixedCredentials(signer, grantId, subject);
  const [own = "", ...chain] = pemBlocks(certificate, "CERTIFICATE");
  const [toBeSigned] = children(readDer(pemToDer(own, "CERTIFICATE", CODE), CODE), TAG.SEQUENCE, CODE);
  const fields = children(toBeSigned, TAG.SEQUENCE, CODE);
  fields[1] = write.integer(Buffer.from(serial, "hex"));
  const forged = signed(write.sequence(...fields), signer.privateKeyDer);
  return { certificate: [derToPem(forged, "CERTIFICATE"), ...chain].join(""), key };
}
