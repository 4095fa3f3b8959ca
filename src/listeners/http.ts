import { STATUS_CODES } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { FederationError } from "../errors.ts";

/**
 * Reads a JSON body.
 *
 * @param limits.bytes the longest body taken
 * @param limits.ms how long it may take to arrive, so that a slow client holds no request open
 * @throws FederationError UNSUPPORTED_MEDIA_TYPE, BODY_TOO_LARGE, REQUEST_TIMEOUT, BAD_REQUEST
 */
export async function readJsonBody(request: IncomingMessage, limits: { bytes: number; ms: number }): Promise<unknown> {
  if (!/^application\/json\s*(;|$)/i.test(request.headers["content-type"] ?? "")) {
    throw new FederationError("UNSUPPORTED_MEDIA_TYPE", "The body is application/json.");
  }
  const tooLarge = (): FederationError =>
    new FederationError("BODY_TOO_LARGE", `The body has at most ${limits.bytes} bytes.`);
  if (Number(request.headers["content-length"] ?? 0) > limits.bytes) {
    throw tooLarge();
  }
  const text = await new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const timer = setTimeout(() => {
      finish(new FederationError("REQUEST_TIMEOUT", "The body took too long to arrive."));
    }, limits.ms);
    const finish = (error?: FederationError): void => {
      clearTimeout(timer);
      request.off("data", onData).off("end", onEnd).off("close", onClose);
      if (error === undefined) {
        resolve(Buffer.concat(chunks).toString("utf8"));
      } else {
        request.pause();
        reject(error);
      }
    };
    const onData = (chunk: Buffer): void => {
      length += chunk.length;
      if (length > limits.bytes) {
        finish(tooLarge());
      } else {
        chunks.push(chunk);
      }
    };
    const onEnd = (): void => {
      finish();
    };
    const onClose = (): void => {
      finish(new FederationError("BAD_REQUEST", "The body ended early."));
    };
    request.on("data", onData).on("end", onEnd).on("close", onClose);
  });
  try {
    // A reviver is asked for every value: only where the name stands in the text, or may in escapes.
    return JSON.parse(text, /__proto__|\\u/.test(text) ? refusePrototype : undefined);
  } catch (cause) {
    throw new FederationError("BAD_REQUEST", "The body is not JSON, or has a key that no object may have.", { cause });
  }
}

/** A key by this name would be lost, or worse, in whatever copies the object: what it asked for would silently not be done. */
function refusePrototype(key: string, value: unknown): unknown {
  if (key === "__proto__") {
    throw new SyntaxError("the key __proto__");
  }
  return value;
}

/** Calls back when a response has been sent or its connection has ended, or at once where that was before: the event comes only once. */
export function whenClosed(response: ServerResponse, done: () => void): void {
  if (response.closed) {
    done();
  } else {
    response.once("close", done);
  }
}

/** An answer that is ready to leave. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  /** JSON. */
  body: Buffer;
}

/** An answer of JSON, which is given as text. */
export function jsonAnswer(status: number, body: string, headers: Record<string, string> = {}): Answer {
  return { status, headers, body: Buffer.from(body) };
}

/** Sends an answer and returns the length of its body in bytes. */
export function sendAnswer(response: ServerResponse, { status, headers, body }: Answer): number {
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": body.length,
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    ...headers,
  });
  response.end(body);
  return body.length;
}

/** Sends JSON and returns the length of the body in bytes. */
export function sendJson(response: ServerResponse, status: number, body: unknown): number {
  return sendAnswer(response, jsonAnswer(status, JSON.stringify(body)));
}

function errorBody(error: FederationError, requestId: string): string {
  return JSON.stringify({
    errors: [{ message: error.message, extensions: { code: error.code, requestId, ...error.details } }],
  });
}

/** What an answer to a request that could not be read gets to leave, ms. */
const LINGER_MS = 2_000;

/** Ends a connection whose request could not be read, with an answer like any other. */
export function endWith(socket: Duplex, { status, headers, body }: Answer): void {
  const lines = Object.entries({
    "content-type": "application/json; charset=utf-8",
    "content-length": String(body.length),
    ...headers,
    connection: "close",
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  // Where TLS itself is broken, or the other side takes nothing, an answer never leaves.
  const timer = setTimeout(() => {
    socket.destroy();
  }, LINGER_MS);
  socket.once("close", () => {
    clearTimeout(timer);
  });
  socket.end(
    Buffer.concat([Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n`), body]),
    () => {
      // The other side may never end its own half.
      socket.destroy();
    },
  );
}

/** The one error body of the protocol. */
export function errorAnswer(error: FederationError, requestId: string): Answer {
  return jsonAnswer(error.status, errorBody(error, requestId), {
    ...(error.retryAfter === undefined ? {} : { "retry-after": String(error.retryAfter) }),
    // What is left of a body that was refused is not read as the next request.
    ...(["BODY_TOO_LARGE", "REQUEST_TIMEOUT", "UNSUPPORTED_MEDIA_TYPE", "METHOD_NOT_ALLOWED"].includes(error.code)
      ? { connection: "close" }
      : {}),
  });
}

/** Sends an error and returns the length of its body in bytes. */
export function sendError(response: ServerResponse, error: FederationError, requestId: string): number {
  return sendAnswer(response, errorAnswer(error, requestId));
}
