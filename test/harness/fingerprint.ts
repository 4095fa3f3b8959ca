import { fingerprintOf } from "../../src/pki/der.ts";

/** What tests record and present as the fingerprint of a certificate that is a serial number and nothing else. */
export function fingerprintFor(serial: string): string {
  return fingerprintOf(Buffer.from(serial));
}
