import type { Peer } from "../client/peer.ts";
import type { Sessions } from "../database/session.ts";

/** Writes what was learnt of a peer when it was last asked; nothing where its certificate is another by now, or its grant has ended. */
export async function setPeerState(
  sessions: Sessions,
  peer: Peer,
  state: "active" | "degraded" | "revoked",
): Promise<void> {
  await sessions.asGatewayOnce({
    text: "select federation.set_peer_state($1, $2, $3)",
    values: [peer.id, peer.certificateSerial, state],
  });
}
