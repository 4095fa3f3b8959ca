import type { Peer } from "../client/peer.ts";
import type { Sessions } from "../database/session.ts";
import type { Deadline } from "../deadline.ts";
import { derToPem } from "../pki/der.ts";

interface PeerRow {
  id: string;
  host: string;
  federation_url: string;
  public_url: string;
  grant_id: string;
  root_certificate_der: Buffer;
  trusted_roots_der: Buffer[];
  certificate_chain_der: Buffer[];
  certificate_serial: string;
  certificate_not_after: Date;
  certificate_ended: boolean;
  sealed_key: Buffer;
  state: Peer["state"];
  cache_ttl_seconds: number | null;
}

const PEERS = `select id, host, federation_url, public_url, grant_id, root_certificate_der, trusted_roots_der, certificate_chain_der,
    certificate_serial, certificate_not_after, certificate_not_after <= now() as certificate_ended, sealed_key, state, cache_ttl_seconds
  from federation.peers_of_current_user()`;

/** The remote gateways of a local user, read in that user's session: the database leaves out everybody else's. */
export async function peersOfUser(sessions: Sessions, userId: string, deadline?: Deadline): Promise<Peer[]> {
  const { rows } = await sessions.asUser<PeerRow>(userId, { text: PEERS }, deadline);
  return rows.map(peerOf);
}

/** One of them as it is now; undefined where the user has it no more. */
export async function peerOfUser(
  sessions: Sessions,
  userId: string,
  id: string,
  deadline: Deadline,
): Promise<Peer | undefined> {
  const { rows } = await sessions.asUser<PeerRow>(userId, { text: `${PEERS} where id = $1`, values: [id] }, deadline);
  return rows.map(peerOf)[0];
}

function peerOf(row: PeerRow): Peer {
  return {
    id: row.id,
    host: row.host,
    federationUrl: row.federation_url,
    publicUrl: row.public_url,
    grantId: row.grant_id,
    rootPem: derToPem(row.root_certificate_der, "CERTIFICATE"),
    trustedRootsPem: row.trusted_roots_der.map((der) => derToPem(der, "CERTIFICATE")),
    certificateChainPem: row.certificate_chain_der.map((der) => derToPem(der, "CERTIFICATE")),
    certificateSerial: row.certificate_serial,
    certificateNotAfter: row.certificate_not_after,
    certificateEnded: row.certificate_ended,
    sealedKey: row.sealed_key,
    state: row.state,
    cacheTtlSeconds: row.cache_ttl_seconds,
  };
}
