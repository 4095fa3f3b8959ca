import type { Deadline } from "../deadline.ts";
import type { Span } from "../observability/span.ts";
import type { FederationError } from "../errors.ts";
import type { Signal } from "./signals.ts";

/** What comes along with a question of a local user, from the listener to every source. */
export interface Asked {
  userId: string;
  deadline: Deadline;
  span: Span;
  /** Puts a fault of ours in the log, with the request's id and trace; what else failed is an answer, and is not put down. */
  fault: (error: FederationError) => void;
  /** Tells the user's session that a peer answers, does not, or has ended the grant. */
  tell: (source: string, state: Signal["state"]) => void;
  /** What the session has not been told before. */
  signals: Signal[];
}
