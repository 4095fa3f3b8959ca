import { z } from "zod";
import type { PeerConnections } from "../client/peer-connections.ts";
import type { Peer } from "../client/peer.ts";
import type { Sessions } from "../database/session.ts";
import { FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import type { QuerySource } from "./query-source.ts";

const row = z.record(z.string(), z.unknown());

const ANSWERS = {
  list: z.object({ rows: z.array(row).max(10_000), nextCursor: z.string().max(8192).nullable(), capped: z.boolean() }),
  get: row,
  search: z.object({
    hits: z
      .array(
        z.object({
          resource: z.string().max(50),
          id: z.string().max(8192),
          rank: z.number(),
          snippet: z
            .object({
              column: z.string().max(63),
              parts: z.array(z.object({ text: z.string().max(65_536), match: z.boolean() })).max(1_000),
            })
            .nullable(),
          row,
        }),
      )
      .max(10_000),
    nextCursor: z.string().max(8192).nullable(),
    capped: z.boolean(),
  }),
  capabilities: row,
};

// After these the grant cannot come back: asking again would only bring the same answer.
const ENDED: readonly ErrorCode[] = ["GRANT_REVOKED", "GRANT_EXPIRED", "CERTIFICATE_REVOKED"];

/**
 * A remote gateway of the user. What it answers is checked for its shape and believed no further. Nothing of it is kept, but for the
 * news that the grant has ended, which `peer list` shows.
 */
export function createPeerSource(peer: Peer, connections: PeerConnections, sessions: Sessions): QuerySource {
  const say = async <V extends keyof typeof ANSWERS>(
    verb: V,
    variables: unknown,
  ): Promise<z.output<(typeof ANSWERS)[V]>> => {
    if (peer.state === "revoked") {
      throw new FederationError(
        "GRANT_REVOKED",
        `${peer.host} has ended the grant; "mosaic federation peer add" takes a new one`,
      );
    }
    let answer: unknown;
    try {
      answer = await connections.request(peer, verb, variables);
    } catch (error) {
      if (error instanceof FederationError && ENDED.includes(error.code)) {
        await sessions.asGateway((client) =>
          client.query("select federation.set_peer_state($1, $2, 'revoked')", [peer.id, peer.certificateSerial]),
        );
      }
      throw error;
    }
    const checked = ANSWERS[verb].safeParse(answer);
    if (!checked.success) {
      throw new FederationError("PEER_PROTOCOL", `${peer.host} answered with what is no answer to ${verb}`);
    }
    return checked.data as z.output<(typeof ANSWERS)[V]>;
  };
  return {
    name: `federated:${peer.host}`,
    list: (variables) => say("list", variables),
    get: (variables) => say("get", variables),
    search: (variables) => say("search", variables),
    capabilities: () => say("capabilities", {}),
  };
}
