import type { ServerResponse } from "node:http";
import { z } from "zod";
import { asFederationError, FederationError } from "../errors.ts";
import type { Asked } from "../source/asked.ts";
import type { HomeQueries } from "../source/home-queries.ts";

const streamBody = z.strictObject({
  verb: z.enum(["list", "get", "search"]),
  source: z.string().max(300).default("all"),
  variables: z.record(z.string(), z.unknown()).default({}),
});

/**
 * Answers a query source by source as Server-Sent Events (WHATWG HTML §9.2): the local rows at once, each peer's as it answers, so that the
 * slowest holds up nobody. Events: `source` for each answer, `signal` for news of a peer, and one of `end` and `error` at last.
 *
 * @throws FederationError BAD_REQUEST before the first event; what comes later is an `error` event
 */
export async function streamAnswers(
  response: ServerResponse,
  body: unknown,
  asked: Asked,
  queries: HomeQueries,
): Promise<void> {
  const read = streamBody.safeParse(body);
  if (!read.success) {
    throw new FederationError("BAD_REQUEST", 'The body is {verb: "list" | "get" | "search", source, variables}.');
  }
  const { verb, source, variables } = read.data;
  let told = 0;
  const send = (event: string, data: unknown): void => {
    if (!response.headersSent) {
      response.writeHead(200, {
        "content-type": "text/event-stream; charset=utf-8",
        "cache-control": "no-store",
        "x-content-type-options": "nosniff",
      });
    }
    response.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`);
  };
  const sendSignals = (): void => {
    for (const signal of asked.signals.slice(told)) {
      send("signal", signal);
    }
    told = asked.signals.length;
  };
  try {
    const { nextCursor, capped, sources } = await queries[verb](asked, source, variables, ({ outcome, ...answer }) => {
      send("source", { ...outcome, ...answer });
      sendSignals();
    });
    sendSignals();
    send("end", { nextCursor, capped, sources });
  } catch (error) {
    if (!response.headersSent && asked.signals.length === 0) {
      throw error;
    }
    sendSignals();
    const fault = asFederationError(error);
    asked.fault(fault);
    send("error", { code: fault.code, message: fault.message });
  }
  response.end();
}
