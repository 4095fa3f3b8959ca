import { print } from "@0no-co/graphql.web";
import type { TadaDocumentNode } from "gql.tada";

/** What the gateway refused, or that it could not be asked. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  /** Of the table of errors: docs/reference/errors.md; NETWORK where no answer came. */
  readonly code: string;
  /** By which the gateway's log knows the request. */
  readonly requestId: string | undefined;
  /** The part of what was sent that it is about. */
  readonly path: string | undefined;

  constructor(message: string, code: string, more: { requestId?: string | undefined; path?: string | undefined } = {}) {
    super(message);
    this.code = code;
    this.requestId = more.requestId;
    this.path = more.path;
  }
}

interface Answer {
  data?: unknown;
  errors?: { message: string; extensions?: { code?: string; requestId?: string; path?: string } }[];
}

/** How something is asked. */
export interface Asking {
  /** No person asked for it: it does not keep the session alive. */
  background?: boolean;
  /** Gives it up, at the gateway, too. */
  signal?: AbortSignal;
}

/**
 * Asks the gateway one operation.
 *
 * @throws RequestError
 */
export async function ask<Result, Variables>(
  document: TadaDocumentNode<Result, Variables>,
  variables: Variables,
  asking: Asking = {},
): Promise<Result> {
  const { data } = await post("graphql", { query: print(document), variables }, asking);
  // By the schema, which the operation was checked against.
  return data as Result;
}

/**
 * Sends JSON to a path under that of the pages and returns the answer; `{}` where it has no body.
 *
 * @throws RequestError
 */
export async function post(path: string, body: unknown, { background = false, signal }: Asking = {}): Promise<Answer> {
  return read(
    fetch(`${import.meta.env.BASE_URL}${path}`, {
      method: "POST",
      // The header is one that no form of another site can send.
      headers: {
        "content-type": "application/json",
        "mosaic-pages": "1",
        ...(background ? { "mosaic-background": "1" } : {}),
      },
      body: JSON.stringify(body),
      ...(signal === undefined ? {} : { signal }),
    }),
  );
}

/**
 * Reads an answer of the gateway.
 *
 * @throws RequestError
 */
export async function read(sent: Promise<Response>): Promise<Answer> {
  let response: Response;
  let answer: Answer;
  try {
    response = await sent;
    const text = await response.text();
    answer = text === "" ? {} : (JSON.parse(text) as Answer);
  } catch {
    throw new RequestError("The gateway does not answer. What is shown may be old.", "NETWORK");
  }
  const error = answer.errors?.[0];
  if (error !== undefined || !response.ok) {
    throw new RequestError(
      error?.message ?? "The gateway refused without saying why.",
      error?.extensions?.code ?? "INTERNAL",
      { requestId: error?.extensions?.requestId, path: error?.extensions?.path },
    );
  }
  return answer;
}
