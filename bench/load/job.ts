import type { TlsClient } from "../world/certificates.ts";

/** Requests to one server, as the load generator is told them. */
export interface Target {
  origin: string;
  path: string;
  tls?: TlsClient;
  headers?: Record<string, string>;
  /** Said one after the other, over and over; JSON. */
  bodies: string[];
}

/** How it is asked. */
export interface Load {
  connections: number;
  /** What is measured; the same number again, at most, is asked before, unmeasured, so that connections are open and code is compiled. */
  requests: number;
  /** What is measured ends by then, with fewer requests. */
  mostSeconds: number;
  /** Requests a second that come whether those before are answered or not; absent, each connection asks again once it is answered. */
  perSecond?: number;
}

/** One run. Latencies count from when a request was due: where they come at a fixed rate, waiting for a connection is part of them. */
export interface Sample {
  requests: number;
  seconds: number;
  perSecond: number;
  /** Milliseconds. */
  p50: number;
  p90: number;
  p99: number;
  max: number;
}

/** What the load generator answers. */
export type JobAnswer = { sample: Sample } | { error: string };

/** @param latencies in milliseconds */
export function sampleOf(latencies: number[], seconds: number): Sample {
  const sorted = latencies.toSorted((a, b) => a - b);
  const at = (share: number): number => rounded(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN);
  return {
    requests: sorted.length,
    seconds: rounded(seconds),
    perSecond: rounded(sorted.length / seconds),
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    max: at(1),
  };
}

/** To the microsecond. */
function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
