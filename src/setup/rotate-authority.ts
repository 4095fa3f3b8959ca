import { randomUUID } from "node:crypto";
import { asAdministrator } from "../database/administrator.ts";
import { FederationError } from "../errors.ts";
import { createRoot, crossCertify } from "../pki/embedded-authority.ts";
import { fingerprintOf } from "../pki/der.ts";
import { seal } from "../seal/seal.ts";
import { overlapOf, readAuthorityStatus } from "./authority-status.ts";
import { readEmbeddedRoot, ROOT_LIFETIME_DAYS } from "./open-authority.ts";
import type { UsedGateway } from "./use-database.ts";

/** The root that takes over, and the one before it: SHA-256 of their DER, hex. */
export interface RotatedAuthority {
  fingerprint: string;
  predecessor: string;
}

/**
 * Makes a new root for a gateway whose authority is embedded. Gateways that run trust it at once, and sign by it after a minute
 * (docs/decisions/0017-ca-rotation.md).
 *
 * @throws FederationError CONFIG_INVALID where step-ca signs, CONFLICT while another rotation is on or where there is no root yet, SEAL_BROKEN,
 * UNAVAILABLE
 */
export async function rotateAuthority({ adminUrl, config, keyring }: UsedGateway): Promise<RotatedAuthority> {
  if (config.tier === "federated") {
    throw new FederationError(
      "CONFIG_INVALID",
      "the root of this gateway is step-ca's, and is not made here. step-ca may get another intermediate below the same root at any time, and no peer notices; another root needs every peer to enroll again (docs/how-to/federated.md)",
    );
  }
  return asAdministrator(adminUrl, async (client) => {
    await client.query("select pg_advisory_xact_lock(hashtext('federation_authorities'))");
    const predecessor = await readEmbeddedRoot(client, keyring);
    if (predecessor === undefined) {
      throw new FederationError("CONFLICT", "the gateway has no root yet; it makes one when it is started");
    }
    const authorities = await readAuthorityStatus(client);
    const overlap = overlapOf(authorities);
    if (overlap !== undefined) {
      throw new FederationError(
        "CONFLICT",
        `a rotation is on already: the older root retires ${overlap.retires}, and then the next may begin (mosaic ca status)`,
      );
    }
    // Whoever verifies a chain looks for an authority by its name: no two have the same.
    const commonName = `${config.host} federation root ${authorities.length + 1}`;
    const root = createRoot({ commonName, lifetimeDays: ROOT_LIFETIME_DAYS });
    const id = randomUUID();
    const fingerprint = fingerprintOf(root.certificateDer);
    await client.query("select federation.rotate_authority($1, $2, $3, $4, $5)", [
      id,
      root.certificateDer,
      fingerprint,
      seal(keyring, root.privateKeyDer, id),
      crossCertify({ commonName, certificateDer: root.certificateDer }, predecessor),
    ]);
    return { fingerprint, predecessor: fingerprintOf(predecessor.certificateDer) };
  });
}
