import { asAdministrator } from "../database/administrator.ts";
import { FederationError } from "../errors.ts";
import { addKey, keyringIsInEnvironment, KEYRING_VARIABLE, removeUnusedKeys } from "../seal/keyring.ts";
import { seal, sealVersion, unseal } from "../seal/seal.ts";

interface SealedValue {
  kind: string;
  id: string;
  sealed: Buffer;
}

/**
 * Makes a new sealing key and seals every secret with it. Interrupted at any point, every secret still opens: a key is dropped only
 * after what uses it has been committed under another, and the key before the new one is kept until the next rotation, for a
 * command that read it just now.
 *
 * @param adminUrl an administrator's connection string
 * @throws FederationError CONFIG_INVALID, SEAL_BROKEN
 */
export async function rotateSeals(
  adminUrl: string,
  keyringFile: string,
): Promise<{ version: number; resealed: number }> {
  if (keyringIsInEnvironment()) {
    throw new FederationError(
      "CONFIG_INVALID",
      `the sealing keys come from ${KEYRING_VARIABLE}, which a command cannot change: rotate with the file instead`,
    );
  }
  const keyring = addKey(keyringFile);
  const resealed = await asAdministrator(adminUrl, async (client) => {
    let count = 0;
    const { rows } = await client.query<SealedValue>("select kind, id, sealed from federation.sealed_values()");
    for (const { kind, id, sealed } of rows) {
      const { rows: done } = await client.query<{ changed: boolean }>(
        "select federation.reseal_value($1, $2, $3, $4) as changed",
        [kind, id, sealed, seal(keyring, unseal(keyring, sealed, id), id)],
      );
      count += done[0]?.changed === true ? 1 : 0;
    }
    return count;
  });
  const inUse = await asAdministrator(adminUrl, async (client) => {
    const { rows } = await client.query<SealedValue>("select kind, id, sealed from federation.sealed_values()");
    return rows.map(({ sealed }) => sealVersion(sealed));
  });
  removeUnusedKeys(keyringFile, [...inUse, keyring.current - 1]);
  return { version: keyring.current, resealed };
}
