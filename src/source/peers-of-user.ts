import { types } from "pg";
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
  root_certificate_der: string;
  trusted_roots_der: string;
  certificate_chain_der: string;
  certificate_serial: string;
  certificate_not_after: Date;
  certificate_ended: boolean;
  sealed_key: string;
  state: Peer["state"];
  cache_ttl_seconds: number | null;
}

// Certificates and keys are read when a connection is made: most requests find one, or an answer, and have peers that they do not ask.
const parserOf = types.getTypeParser as (type: number) => (text: string) => unknown;
/** Types of the PostgreSQL catalogue (pg_type): `bytea`, `bytea[]`. */
const bytesOf = parserOf(17) as (text: string) => Buffer;
const arrayOf = parserOf(1001) as (text: string) => Buffer[];
const pemOf = (der: Buffer): string => derToPem(der, "CERTIFICATE");

const COLUMNS = `p.id, p.host, p.federation_url, p.public_url, p.grant_id, p.root_certificate_der::text,
    p.trusted_roots_der::text, p.certificate_chain_der::text,
    p.certificate_serial, p.certificate_not_after, p.certificate_not_after <= now() as certificate_ended, p.sealed_key::text, p.state, p.cache_ttl_seconds`;
const PEERS = `select ${COLUMNS} from federation.peers_of_current_user() p`;

/** Who holds a bearer token, and their remote gateways: the database shows those to nobody else. Undefined where the token is none, or not any more. */
export async function holderOfToken(
  sessions: Sessions,
  token: string,
  deadline: Deadline,
): Promise<{ userId: string; peers: Peer[] } | undefined> {
  const { rows } = await sessions.asGatewayOnce<{ user_id: string } & (PeerRow | { id: null })>(
    {
      text: `select h.user_id, ${COLUMNS} from federation.holder_of_token($1) h cross join lateral (select (h.peer).*) p order by p.host`,
      values: [token],
    },
    deadline,
  );
  const userId = rows[0]?.user_id;
  return userId === undefined
    ? undefined
    : { userId, peers: rows.flatMap((row) => (row.id === null ? [] : [peerOf(row)])) };
}

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
  const { rows } = await sessions.asUser<PeerRow>(userId, { text: `${PEERS} where p.id = $1`, values: [id] }, deadline);
  return rows.map(peerOf)[0];
}

function peerOf(row: PeerRow): Peer {
  return {
    id: row.id,
    host: row.host,
    federationUrl: row.federation_url,
    publicUrl: row.public_url,
    grantId: row.grant_id,
    get rootPem() {
      return pemOf(bytesOf(row.root_certificate_der));
    },
    get trustedRootsPem() {
      return arrayOf(row.trusted_roots_der).map(pemOf);
    },
    get certificateChainPem() {
      return arrayOf(row.certificate_chain_der).map(pemOf);
    },
    certificateSerial: row.certificate_serial,
    certificateNotAfter: row.certificate_not_after,
    certificateEnded: row.certificate_ended,
    get sealedKey() {
      return bytesOf(row.sealed_key);
    },
    state: row.state,
    cacheTtlSeconds: row.cache_ttl_seconds,
  };
}
