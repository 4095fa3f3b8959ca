import type { ClientBase } from "pg";
import { FederationError } from "../../errors.ts";
import { readX509 } from "../../pki/der.ts";
import type { Keyring } from "../../seal/keyring.ts";
import { unseal } from "../../seal/seal.ts";
import { readAuthorityStatus } from "../authority-status.ts";
import { expiry } from "./findings.ts";
import type { Found } from "./findings.ts";

/** Looks at the roots that are trusted: whether their keys can be opened, how long they are good, and whether one takes over from another. */
export async function lookAtAuthorities(client: ClientBase, keyring: Keyring): Promise<Found> {
  const { rows } = await client.query<{ id: string; certificate_der: Buffer; sealed_key: Buffer | null }>(
    "select id, certificate_der, sealed_key from federation.list_authorities() where retired_at is null",
  );
  for (const { id, sealed_key } of rows) {
    if (sealed_key !== null) {
      unseal(keyring, sealed_key, id);
    }
  }
  const [signer] = rows;
  const trusted = (await readAuthorityStatus(client)).filter(({ state }) => state !== "retired");
  const [newest] = trusted;
  if (signer === undefined || newest === undefined) {
    throw new FederationError("CONFIG_INVALID", "there is none yet");
  }
  const { validFrom, validTo } = readX509(signer.certificate_der, "CERTIFICATE_INVALID");
  const remedy = newest.kind === "embedded" ? "mosaic ca rotate" : "give step-ca a new root; every peer enrolls again";
  const found = expiry({ validFrom: new Date(validFrom), validTo: new Date(validTo) }, remedy);
  const oldest = trusted.length > 1 ? trusted.at(-1) : undefined;
  const overlap =
    oldest === undefined
      ? ""
      : `; a rotation is on, and the older root retires ${oldest.lastEnds === null ? "within two hours" : `after ${oldest.lastEnds.toISOString().slice(0, 10)}`}`;
  return { ...found, detail: `${newest.kind}, its root ${found.detail}${overlap}` };
}
