import { Agent, request } from "undici";
import type { TestGateway } from "./gateway.ts";

/** What the pages' listener answered. */
export interface PagesAnswer {
  status: number;
  headers: Headers;
  /** Set-Cookie headers. */
  cookies: string[];
  text: string;
  body: Record<string, unknown>;
  data?: Record<string, unknown> | null;
  errors?: { extensions: Record<string, unknown> }[];
  /** Of the first error. */
  code?: string;
}

/** Keeps cookies as a browser does, as far as these tests need it, and says where its requests come from. */
export interface Browser {
  /** The header by which a cookie is sent, and no other. */
  cookie(name: string): string;
  get(path: string, headers?: Record<string, string>): Promise<PagesAnswer>;
  /**
   * @param headers instead of the browser's own; undefined leaves one out
   * @param signal hangs up
   */
  post(
    path: string,
    body: unknown,
    headers?: Record<string, string | undefined>,
    signal?: AbortSignal,
  ): Promise<PagesAnswer>;
}

/** A browser that nobody is signed in with. */
export function browser(gateway: TestGateway): Browser {
  const origin = gateway.gateway.homeUrl;
  const kept = new Map<string, string>();
  const send = async (
    method: "GET" | "POST",
    path: string,
    headers: Record<string, string | undefined>,
    body?: string,
    signal?: AbortSignal,
  ): Promise<PagesAnswer> => {
    const cookie = [...kept].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await request(new URL(path, origin), {
      method,
      dispatcher: new Agent({ pipelining: 0 }),
      headers: { ...(cookie === "" ? {} : { cookie }), ...headers },
      ...(body === undefined ? {} : { body }),
      ...(signal === undefined ? {} : { signal }),
    });
    const text = await response.body.text();
    const answered = new Headers();
    const cookies: string[] = [];
    for (const [name, value] of Object.entries(response.headers)) {
      for (const one of [value ?? ""].flat()) {
        if (name === "set-cookie") {
          cookies.push(one);
        } else {
          answered.append(name, one);
        }
      }
    }
    for (const line of cookies) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (line.includes("Max-Age=0")) {
        kept.delete(name);
      } else {
        kept.set(name, value);
      }
    }
    const type = answered.get("content-type") ?? "";
    const json = type.includes("json") && !type.includes("ndjson");
    const read = json ? (JSON.parse(text) as Record<string, unknown>) : {};
    const errors = read["errors"] as PagesAnswer["errors"];
    const code = errors?.[0]?.extensions["code"];
    return {
      status: response.statusCode,
      headers: answered,
      cookies,
      text,
      body: read,
      ...(read["data"] === undefined ? {} : { data: read["data"] as Record<string, unknown> | null }),
      ...(errors === undefined ? {} : { errors }),
      ...(typeof code === "string" ? { code } : {}),
    };
  };
  return {
    cookie: (name) => `${name}=${kept.get(name) ?? ""}`,
    get: (path, headers = {}) => send("GET", path, headers),
    post: (path, body, headers = {}, signal) =>
      send(
        "POST",
        path,
        { origin, "mosaic-pages": "1", "content-type": "application/json", ...headers },
        JSON.stringify(body),
        signal,
      ),
  };
}

/** GraphQL of the pages. */
export function ask(
  from: Browser,
  query: string,
  variables: Record<string, unknown> = {},
  headers: Record<string, string> = {},
): Promise<PagesAnswer> {
  return from.post("/pages/graphql", { query, variables }, headers);
}

/** A browser that somebody is signed in with. */
export async function signInByToken(gateway: TestGateway, token: string): Promise<Browser> {
  const fresh = browser(gateway);
  const { status } = await fresh.post("/pages/sign-in", { token });
  if (status !== 200) {
    throw new Error(`the sign-in was answered ${status}`);
  }
  return fresh;
}

/** Adds an administrator; returns the token. */
export async function addAdministrator(gateway: TestGateway, name: string): Promise<string> {
  const { rows } = await gateway.pool.query<{ token: string }>("select token from federation.add_administrator($1)", [
    name,
  ]);
  return rows[0]?.token ?? "";
}

/** A token of a local user. */
export async function userToken(gateway: TestGateway, user: string): Promise<{ token: string; tokenId: string }> {
  const { rows } = await gateway.pool.query<{ token: string; token_id: string }>(
    "select token, token_id from federation.create_user_token($1)",
    [user],
  );
  return { token: rows[0]?.token ?? "", tokenId: rows[0]?.token_id ?? "" };
}

/** What the audit log has of a person, once it is written, newest first. */
export async function doneBy(
  gateway: TestGateway,
  person: string,
): Promise<{ verb: string; outcome: string; code: string }[]> {
  // A row is there within a second of its answer.
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  const { rows } = await gateway.pool.query<{ verb: string; outcome: string; code: string }>(
    "select verb, outcome, code from federation.list_audit(limit_rows => 1000) where actor = $1 or details ->> 'person' = $1",
    [person],
  );
  return rows;
}
