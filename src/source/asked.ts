import type { Deadline } from "../deadline.ts";
import type { Span } from "../observability/span.ts";
import type { Peer } from "../client/peer.ts";
import type { FederationError } from "../errors.ts";
import type { Signal } from "./signals.ts";

/** What comes along with a question of a local user, from the listener to every source. */
export interface Asked {
  userId: string;
  /** Their peers as they were when the request was there, where whoever found the user found these along. */
  peers?: Peer[] | undefined;
  deadline: Deadline;
  span: Span;
  /** Puts a fault of ours in the log, with the request's id and trace; what else failed is an answer, and is not put down. */
  fault: (error: FederationError) => void;
  /** Tells the user's session that a peer answers, does not, or has ended the grant. */
  tell: (source: string, state: Signal["state"]) => void;
  /** What the session has not been told before. */
  signals: Signal[];
}
