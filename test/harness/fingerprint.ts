import { createHash } from "node:crypto";

/** What tests record and present as the fingerprint of a certificate that is a serial number and nothing else. */
export function fingerprintFor(serial: string): string {
  return createHash("sha256").update(serial).digest("hex");
}
