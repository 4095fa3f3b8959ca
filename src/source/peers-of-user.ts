import type { Peer } from "../client/peer.ts";
import type { Sessions } from "../database/session.ts";
import { derToPem } from "../pki/der.ts";

/** The remote gateways of a local user, read in that user's session: the database leaves out everybody else's. */
export async function peersOfUser(sessions: Sessions, userId: string): Promise<Peer[]> {
  const { rows } = await sessions.asUser(userId, (client) =>
    client.query<{
      id: string;
      host: string;
      federation_url: string;
      grant_id: string;
      root_certificate_der: Buffer;
      certificate_chain_der: Buffer[];
      certificate_serial: string;
      sealed_key: Buffer;
      state: Peer["state"];
    }>(
      `select id, host, federation_url, grant_id, root_certificate_der, certificate_chain_der, certificate_serial, sealed_key, state
       from federation.peers_of_current_user()`,
    ),
  );
  return rows.map((row) => ({
    id: row.id,
    host: row.host,
    federationUrl: row.federation_url,
    grantId: row.grant_id,
    rootPem: derToPem(row.root_certificate_der, "CERTIFICATE"),
    certificateChainPem: row.certificate_chain_der.map((der) => derToPem(der, "CERTIFICATE")),
    certificateSerial: row.certificate_serial,
    sealedKey: row.sealed_key,
    state: row.state,
  }));
}
