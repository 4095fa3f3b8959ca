import { circuitBreaker, CircuitState, ConsecutiveBreaker, ExponentialBackoff, handleWhen, retry } from "cockatiel";
import type { CircuitBreakerPolicy } from "cockatiel";
import type { Deadline } from "../deadline.ts";
import { asFederationError, FederationError } from "../errors.ts";
import type { ErrorCode } from "../errors.ts";
import type { Peer } from "./peer.ts";
import { createPerPeer } from "./per-peer.ts";

/** How a peer did when it was last asked, as this process knows it. */
export interface PeerHealth {
  host: string;
  /** Open: not asked. Half-open: one probe is on its way. */
  circuit: "closed" | "open" | "half-open";
  /** Failures since the last success. */
  failures: number;
  lastSuccessAt: Date | null;
  lastFailureAt: Date | null;
  lastFailureCode: ErrorCode | null;
  /** Since when it has not answered. */
  offlineSince: Date | null;
  /** When our certificate for it ends. */
  certificateUntil: Date;
}

/** Asks peers, and spares those that do not answer: both them and whoever would wait for them. */
export interface Circuits {
  /**
   * Makes attempts until one succeeds, the peer refuses, too many failed or the deadline comes. Verbs only read, so that each may be
   * said again.
   *
   * @throws FederationError CIRCUIT_OPEN at once, without an attempt, after too many failures in a row; what the last attempt threw
   */
  run<T>(peer: Peer, deadline: Deadline, attempt: () => Promise<T>): Promise<T>;
  /** By the peer's id; of those that were asked. */
  health(): Map<string, PeerHealth>;
  /** Forgets a peer that has another certificate now, or is gone; what is known of it under another one stays. */
  forget(peer: Pick<Peer, "id" | "certificateSerial">): void;
}

/** When a peer is given up, and for how long. */
export interface CircuitOptions {
  /** Failures in a row that open the circuit. */
  failures: number;
  /** How long it stays open, ms. */
  cooldownMs: number;
  /** A peer that got less time than this, and did not answer within it, has not failed, ms. */
  patienceMs: number;
  /** Told when a circuit opens or closes. */
  onChange?: (peer: Peer, isOpen: boolean) => void;
}

const RETRIES = 2;
const RETRY_DELAY_MS = { initialDelay: 25, maxDelay: 400 };

const STATES = {
  [CircuitState.Closed]: "closed",
  [CircuitState.Open]: "open",
  [CircuitState.HalfOpen]: "half-open",
  [CircuitState.Isolated]: "open",
} as const;

interface Line {
  /** The certificate that it is asked by. */
  serial: string;
  breaker: CircuitBreakerPolicy;
  /** By `performance.now()`: a clock that somebody sets must not keep a circuit open. */
  opensAgainAt: number;
  health: Omit<PeerHealth, "circuit">;
}

/** A circuit for each peer (Nygard, "Release It!", "Circuit Breaker"), by cockatiel, with retries around it. */
export function createCircuits(options: CircuitOptions): Circuits {
  const lines = createPerPeer<Line>();

  const lineOf = (peer: Peer): Line => {
    const known = lines.get(peer.id);
    if (known?.serial === peer.certificateSerial) {
      return known;
    }
    const breaker = circuitBreaker(
      // A probe that proved nothing leaves the circuit open.
      handleWhen((error) => isFailure(error) || (error instanceof Unproven && breaker.state === CircuitState.HalfOpen)),
      {
        breaker: new ConsecutiveBreaker(options.failures),
        // The cooldown is counted below.
        halfOpenAfter: Number.NEGATIVE_INFINITY,
      },
    );
    const line: Line = {
      serial: peer.certificateSerial,
      breaker,
      opensAgainAt: 0,
      health: {
        host: peer.host,
        failures: 0,
        lastSuccessAt: null,
        lastFailureAt: null,
        lastFailureCode: null,
        offlineSince: null,
        certificateUntil: peer.certificateNotAfter,
      },
    };
    breaker.onBreak(() => {
      line.opensAgainAt = performance.now() + options.cooldownMs;
      options.onChange?.(peer, true);
    });
    breaker.onReset(() => options.onChange?.(peer, false));
    lines.set(peer.id, line);
    return line;
  };

  const succeeded = ({ health }: Line): void => {
    Object.assign(health, { failures: 0, lastSuccessAt: new Date(), offlineSince: null } satisfies Partial<PeerHealth>);
  };
  const failed = ({ health }: Line, { code }: FederationError): void => {
    const now = new Date();
    health.failures += 1;
    health.lastFailureAt = now;
    health.lastFailureCode = code;
    health.offlineSince ??= now;
  };

  /** One attempt, if the circuit lets it through; a refusal is a value here, for the peer that refuses is there. */
  const once = async <T>(line: Line, peer: Peer, deadline: Deadline, attempt: () => Promise<T>): Promise<Tried<T>> => {
    const isOpen = line.breaker.state === CircuitState.Open && performance.now() < line.opensAgainAt;
    // Whoever comes while a probe is on its way would wait for it, and for nothing where it fails.
    if (isOpen || line.breaker.state === CircuitState.HalfOpen) {
      throw new FederationError(
        "CIRCUIT_OPEN",
        `${peer.host} did not answer the last ${line.health.failures} times (${line.health.lastFailureCode}) and is left alone for now`,
        { retryAfter: Math.max(1, Math.ceil((line.opensAgainAt - performance.now()) / 1_000)) },
      );
    }
    const given = deadline.left();
    const started = performance.now();
    try {
      const tried = await line.breaker.execute(async (): Promise<Tried<T>> => {
        try {
          return { value: await attempt() };
        } catch (cause) {
          const error = asFederationError(cause);
          if (isFailure(error)) {
            // Whoever waits for the answer may go before the time is up that it was begun with.
            const had = deadline.signal.aborted ? performance.now() - started : given;
            throw error.code === "PEER_TIMEOUT" && had < options.patienceMs ? new Unproven(error) : error;
          }
          if (error.code === "CANCELLED") {
            throw new Unproven(error);
          }
          return { refusal: error };
        }
      });
      succeeded(line);
      return tried;
    } catch (error) {
      if (error instanceof Unproven) {
        throw error.told;
      }
      const failure = asFederationError(error);
      failed(line, failure);
      throw failure;
    }
  };

  return {
    run: async (peer, deadline, attempt) => {
      const line = lineOf(peer);
      const attempts = retry(
        handleWhen((error) => isWorthRetrying(error) && deadline.left() > RETRY_DELAY_MS.maxDelay),
        // With jitter: those who failed together do not come back together (cockatiel, "ExponentialBackoff").
        { maxAttempts: RETRIES, backoff: new ExponentialBackoff(RETRY_DELAY_MS) },
      );
      const tried = await attempts.execute(() => once(line, peer, deadline, attempt), deadline.signal);
      if ("refusal" in tried) {
        throw tried.refusal;
      }
      return tried.value;
    },
    health: () =>
      new Map([...lines].map(([id, { breaker, health }]) => [id, { ...health, circuit: STATES[breaker.state] }])),
    forget: ({ id, certificateSerial }) => {
      if (lines.get(id)?.serial === certificateSerial) {
        lines.delete(id);
      }
    },
  };
}

type Tried<T> = { value: T } | { refusal: FederationError };

/** An attempt that was given up before it could show whether the peer is there. */
class Unproven extends Error {
  readonly told: FederationError;

  constructor(told: FederationError) {
    super(told.message, { cause: told });
    this.told = told;
  }
}

const FAILURES: readonly ErrorCode[] = ["PEER_UNREACHABLE", "PEER_TIMEOUT", "PEER_UNTRUSTED", "PEER_PROTOCOL"];

/** Whether a peer failed: what it refuses with 4xx, it refuses in good health. */
function isFailure(error: unknown): boolean {
  if (!(error instanceof FederationError) || !FAILURES.includes(error.code)) {
    return false;
  }
  const { status } = error.details;
  return status === undefined || status < 400 || status >= 500;
}

/** Whether the same attempt may fare better at once: the connection broke, and no answer said why. */
function isWorthRetrying(error: unknown): boolean {
  return error instanceof FederationError && error.code === "PEER_UNREACHABLE" && error.details["status"] === undefined;
}
