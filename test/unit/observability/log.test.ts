import { generateKeyPairSync, randomBytes } from "node:crypto";
import { PassThrough } from "node:stream";
import { DatabaseError } from "pg";
import { describe, expect, test } from "vitest";
import { createLog } from "../../../src/observability/log.ts";
import type { Logger } from "pino";

/** What one call of the log writes. */
function written(call: (log: Logger) => void): string {
  const stream = new PassThrough();
  call(createLog("info", stream));
  const line = String(stream.read());
  // Whatever was taken out, it is a line of JSON still.
  expect(() => JSON.parse(line) as unknown).not.toThrow();
  return line;
}

const SECRET = randomBytes(32).toString("base64url");
const PEM = generateKeyPairSync("ec", { namedCurve: "P-256" })
  .privateKey.export({ type: "pkcs8", format: "pem" })
  .toString();

describe("the log", () => {
  test("writes what is no secret, with its request and trace", () => {
    const line = written((log) => {
      log.error({ err: new Error("it broke"), requestId: "r-1", traceId: "t-1" }, "a request failed");
    });
    expect(JSON.parse(line)).toMatchObject({
      level: 50,
      requestId: "r-1",
      traceId: "t-1",
      err: { type: "Error", message: "it broke", stack: expect.stringContaining("log.test.ts") as unknown },
      msg: "a request failed",
    });
  });

  test.each([
    "token",
    "enrollmentToken",
    "password",
    "key",
    "privateKey",
    "authorization",
    "csr",
    "variables",
    "connectionString",
  ])("never writes what is called %s, three levels down", (name) => {
    for (const about of [{ [name]: SECRET }, { a: { [name]: SECRET } }, { a: { b: { [name]: { c: SECRET } } } }]) {
      expect(
        written((log) => {
          log.info(about);
        }),
      ).not.toContain(SECRET);
    }
  });

  test.each([
    ["a database's password in its URL", `postgres://mosaic:${SECRET}@127.0.0.1:5432/work`],
    ["one that was not encoded", `postgres://mosaic:${SECRET}/@p:@127.0.0.1/work`],
    ["Valkey's, which has no user", `valkey://:${SECRET}@127.0.0.1:6380`],
    ["an enrollment URL's token", `https://work.example:8444/enroll/${SECRET}#sha256=${"a".repeat(64)}`],
    ["a bearer token", `authorization: Bearer ${SECRET}`],
    ["a JSON Web Token", `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.${SECRET}`],
  ])("takes %s out of a message, an error, its cause and a value", (_, text) => {
    const fault = new Error(`refused: ${text}`, { cause: new Error(`because of ${text}`) });
    const lines = [
      written((log) => {
        log.info(`connecting to ${text} now`);
      }),
      written((log) => {
        log.error({ err: fault }, "it broke");
      }),
      written((log) => {
        log.warn({ reason: text, more: [{ deep: { deeper: { still: text } } }] }, "away");
      }),
    ];
    for (const line of lines) {
      expect(line).toContain("[redacted]");
      expect(line).not.toContain(SECRET);
    }
    // What says where it was stays.
    expect(lines[0]).toContain("connecting to ");
    expect(lines[0]).toContain(" now");
  });

  test("takes a private key out wherever it is, a truncated one, too", () => {
    const body = PEM.split("\n").slice(1, -2);
    for (const text of [PEM, PEM.slice(0, -40)]) {
      const line = written((log) => {
        log.error({ err: new Error(`cannot read ${text}`), reason: text }, text);
      });
      expect(body.filter((piece) => line.includes(piece))).toEqual([]);
    }
  });

  test("has of a database's error the code and the place, and none of its words", () => {
    const fault = new DatabaseError(`invalid input syntax: "${SECRET}"`, 0, "error");
    Object.assign(fault, { code: "22P02", detail: SECRET, hint: SECRET, where: SECRET, internalQuery: SECRET });
    const line = written((log) => {
      log.error({ err: new Error("a verb failed", { cause: fault }) }, "a request failed");
    });
    expect(line).not.toContain(SECRET);
    expect(JSON.parse(line)).toMatchObject({ err: { cause: { type: "DatabaseError", code: "22P02" } } });
  });

  test("has nothing of a text that is not JSON", () => {
    let fault: unknown;
    try {
      JSON.parse(`${SECRET} is no JSON`);
    } catch (error) {
      fault = error;
    }
    const line = written((log) => {
      log.error({ err: fault }, "a file cannot be read");
    });
    expect(line).toContain('"type":"SyntaxError"');
    expect(line).not.toContain(SECRET.slice(0, 8));
  });
});
