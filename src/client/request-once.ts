import { Client } from "undici";
import type { buildConnector } from "undici";
import { fromTransportError } from "./transport-error.ts";

/** An answer, read whole. */
export interface OnceAnswer {
  status: number;
  text: string;
}

const MAX_ANSWER_BYTES = 65_536;

/**
 * Sends one request on a connection of its own, for what is asked once in a while.
 *
 * @param tls who is trusted, and what we prove ourselves by
 * @param timeoutMs what it may take
 * @throws FederationError PEER_UNREACHABLE, PEER_TIMEOUT, PEER_UNTRUSTED, PEER_PROTOCOL
 */
export async function requestOnce(
  origin: string,
  tls: buildConnector.BuildOptions,
  timeoutMs: number,
  options: { method: "GET" | "POST"; path: string; headers?: Record<string, string>; body?: string },
): Promise<OnceAnswer> {
  const client = new Client(origin, {
    connect: { ...tls, minVersion: "TLSv1.3", timeout: timeoutMs },
    maxResponseSize: MAX_ANSWER_BYTES,
    allowH2: false,
  });
  try {
    const { statusCode, body } = await client.request({ ...options, signal: AbortSignal.timeout(timeoutMs) });
    return { status: statusCode, text: await body.text() };
  } catch (error) {
    throw fromTransportError(error, new URL(origin).hostname);
  } finally {
    await client.destroy();
  }
}
