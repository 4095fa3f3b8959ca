/** What a load generator is told, as JSON on its standard input. */
export interface Job {
  url: string;
  /** Roots of servers that are trusted, PEM. */
  ca: string;
  certificate: string;
  key: string;
  connections: number;
  /** How long it measures, ms, after so long without. */
  measureMs: number;
  warmUpMs: number;
  /** Requests a second that arrive whether the server has answered or not; undefined sends the next when the last has been answered. */
  rate?: number;
  /** Bodies of requests, sent one after the other. */
  bodies: string[];
}

/** What a load generator measured. */
export interface LoadResult {
  /** Answered with 200 in the time that was measured. */
  requests: number;
  /** With those before, and those that came too late. */
  sent: number;
  seconds: number;
  /** A second. */
  throughput: number;
  /** From when a request was to be sent until its last byte, ms. */
  p50: number;
  p99: number;
  /** Bytes of one answer, the last one's. */
  bytes: number;
  /** CPU seconds that the generator itself took. */
  cpuSeconds: number;
}
