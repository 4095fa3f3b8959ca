import type { ClientBase } from "pg";
import { FederationError } from "../../errors.ts";
import { readX509 } from "../../pki/der.ts";
import { unseal } from "../../seal/seal.ts";
import { overlapOf, readAuthorityStatus } from "../authority-status.ts";
import type { UsedGateway } from "../use-database.ts";
import { expiry } from "./findings.ts";
import type { Found } from "./findings.ts";

/**
 * Looks at the roots that are trusted: whether their keys can be opened, how long the one that signs is good, and whether it takes over
 * from another. Yellow comes early: while a root takes over from another, peers renew their certificates once.
 *
 * @param client of an administrator
 * @throws FederationError SEAL_BROKEN, CONFIG_INVALID where there is none
 */
export async function lookAtAuthorities(client: ClientBase, { keyring, config }: UsedGateway): Promise<Found> {
  const { rows } = await client.query<{ id: string; kind: string; certificate_der: Buffer; sealed_key: Buffer | null }>(
    "select id, kind, certificate_der, sealed_key from federation.list_authorities() where retired_at is null",
  );
  for (const { id, sealed_key } of rows) {
    if (sealed_key !== null) {
      unseal(keyring, sealed_key, id);
    }
  }
  const [signer] = rows;
  if (signer === undefined) {
    throw new FederationError("CONFIG_INVALID", "there is none yet");
  }
  const { validFrom, validTo } = readX509(signer.certificate_der, "CERTIFICATE_INVALID");
  const remedy =
    signer.kind === "embedded" ? "mosaic ca rotate" : "give step-ca a new root; every peer enrolls again then";
  const found = expiry(
    { validFrom: new Date(validFrom), validTo: new Date(validTo) },
    remedy,
    2 * config.certificateLifetimeDays,
  );
  const overlap = overlapOf(await readAuthorityStatus(client));
  const rotation = overlap === undefined ? "" : `; a rotation is on, and the older root retires ${overlap.retires}`;
  return { ...found, detail: `${signer.kind}, its root ${found.detail}${rotation}` };
}
