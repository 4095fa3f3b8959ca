import { once } from "node:events";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { connect } from "node:net";

const TIMEOUT_MS = 3_000;

/**
 * Sends commands to a Valkey server on a connection of their own, after the password of the URL, and gives what it answered to each: a status,
 * number or text as text, nothing as null.
 *
 * @throws Error with the server's words where it refuses a command
 */
export async function valkeyCommands(
  url: string,
  commands: readonly (readonly string[])[],
): Promise<(string | null)[]> {
  const { hostname, port, password } = new URL(url);
  const login = password === "" ? [] : [["AUTH", decodeURIComponent(password)]];
  const socket = connect({ host: hostname, port: Number(port) });
  socket.setTimeout(TIMEOUT_MS, () => socket.destroy(new Error("Valkey did not answer in time")));
  try {
    await once(socket, "connect");
    // RESP, valkey.io/topics/protocol: an array of bulk strings, lengths in bytes.
    for (const command of [...login, ...commands]) {
      const parts = command.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`);
      socket.write(`*${command.length}\r\n${parts.join("")}`);
    }
    const answers: (string | null)[] = [];
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk as Buffer]);
      for (let next = firstAnswer(received); next !== undefined; next = firstAnswer(received)) {
        answers.push(next.value);
        received = received.subarray(next.length);
      }
      if (answers.length >= login.length + commands.length) {
        break;
      }
    }
    return answers.slice(login.length);
  } finally {
    socket.destroy();
  }
}

function firstAnswer(bytes: Buffer): { value: string | null; length: number } | undefined {
  const end = bytes.indexOf("\r\n");
  if (end === -1) {
    return undefined;
  }
  const line = bytes.toString("utf8", 1, end);
  switch (bytes.toString("latin1", 0, 1)) {
    case "+":
    case ":":
      return { value: line, length: end + 2 };
    case "$": {
      const size = Number(line);
      const length = size < 0 ? end + 2 : end + 2 + size + 2;
      return bytes.length < length
        ? undefined
        : { value: size < 0 ? null : bytes.toString("utf8", end + 2, end + 2 + size), length };
    }
    default:
      throw new Error(line);
  }
}

/**
 * Asks step-ca, trusting its root alone.
 *
 * @param body sent as JSON with POST; without it the request is a GET
 */
export async function stepCaRequest(
  stepCa: { url: string; rootFile: string },
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Buffer }> {
  const asked = request(`${stepCa.url}${path}`, {
    method: body === undefined ? "GET" : "POST",
    ca: readFileSync(stepCa.rootFile),
    agent: false,
    timeout: TIMEOUT_MS,
    headers: body === undefined ? {} : { "content-type": "application/json" },
  });
  asked.once("timeout", () => asked.destroy(new Error("step-ca did not answer in time")));
  asked.end(body === undefined ? undefined : JSON.stringify(body));
  const [response] = (await once(asked, "response")) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}
