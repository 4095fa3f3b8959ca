import { randomBytes } from "node:crypto";
import { Client } from "undici";
import { credentialsOf } from "../../src/demo/actors.ts";
import type { Credentials } from "../../src/demo/actors.ts";
import { derToPem } from "../../src/pki/der.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";

/** By which certificate somebody speaks, and which root the gateway's own must lead to, PEM. */
export interface Speaker extends Credentials {
  ca: string;
}

/** What came of one request to a federation listener. */
export interface Heard {
  /** HTTP status; undefined where the connection was refused. */
  status: number | undefined;
  /** `OK`, the error's code or, where the connection was refused, `TLS_REFUSED`. */
  code: string;
  /** By which the audit log has the request. */
  requestId: string | undefined;
  retryAfter: string | undefined;
  body: Record<string, unknown>;
}

/** A request as a peer that keeps to nothing may send it; what is not said is as it should be. */
export interface Said {
  method?: string;
  path?: string;
  headers?: Record<string, string>;
  body?: unknown;
}

/** Who a grant's certificate speaks for. */
export function speakerOf({ enrolled }: TestGrant): Speaker {
  return { ...credentialsOf(enrolled), ca: derToPem(enrolled.rootDer, "CERTIFICATE") };
}

/** A trace of its own (W3C Trace Context): the header, and the id by which both gateways know the request. */
export function newTrace(): { traceId: string; traceparent: string } {
  const traceId = randomBytes(16).toString("hex");
  return { traceId, traceparent: `00-${traceId}-${randomBytes(8).toString("hex")}-00` };
}

/** A connection that is kept open. */
export function connectAs({ ca, certificate: cert, key }: Speaker, gateway: TestGateway): Client {
  return new Client(gateway.gateway.federationUrl, { connect: { ca, cert, key, minVersion: "TLSv1.3" } });
}

/** Sends one request on a connection that is open, or that this opens. */
export async function sayOn(client: Client, said: Said): Promise<Heard> {
  const { method = "POST", path = "/federation", headers = {}, body } = said;
  try {
    const answer = await client.request({
      method,
      path,
      headers: { "content-type": "application/json", ...headers },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const read = JSON.parse(await answer.body.text()) as {
      errors?: { extensions: { code: string; requestId: string } }[];
    };
    const error = read.errors?.[0]?.extensions;
    return {
      status: answer.statusCode,
      code: error?.code ?? "OK",
      requestId: error?.requestId ?? answer.headers["x-request-id"]?.toString(),
      retryAfter: answer.headers["retry-after"]?.toString(),
      body: read,
    };
  } catch (error) {
    if (isConnectionEnd(error)) {
      return { status: undefined, code: "TLS_REFUSED", requestId: undefined, retryAfter: undefined, body: {} };
    }
    throw error;
  }
}

/** Sends one request on a connection of its own. */
export async function say(speaker: Speaker, gateway: TestGateway, said: Said): Promise<Heard> {
  const client = connectAs(speaker, gateway);
  try {
    return await sayOn(client, said);
  } finally {
    await client.destroy();
  }
}

function isConnectionEnd(error: unknown): boolean {
  return (
    error instanceof Error && "code" in error && /^(ERR_SSL|ECONNRESET|UND_ERR_SOCKET|EPIPE)/.test(String(error.code))
  );
}
