import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import type { CryptoKey } from "jose";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME } from "../../src/demo/world.ts";
import { homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

const ISSUER = "https://login.home.example";
const AUDIENCE = "mosaic";
const QUERY = JSON.stringify({ query: '{ list(resource: "tasks") { rows } }' });

let home: TestGateway;
let key: CryptoKey;

beforeAll(async () => {
  const pair = await generateKeyPair("ES256");
  key = pair.privateKey;
  const jwksFile = join(tmpdir(), `mosaic-jwks-${process.pid}.json`);
  writeFileSync(
    jwksFile,
    JSON.stringify({ keys: [{ ...(await exportJWK(pair.publicKey)), alg: "ES256", use: "sig" }] }),
  );
  home = await openTestGateway("home.localhost", HOME, { jwt: { jwksFile, issuer: ISSUER, audience: AUDIENCE } });
});
afterAll(() => home.stop());

async function ask(headers: Record<string, string>, body = QUERY): Promise<{ status: number; body: string }> {
  const response = await fetch(`${home.gateway.homeUrl}/graphql`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
  });
  return { status: response.status, body: await response.text() };
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });

async function jwt(
  claims: Record<string, unknown>,
  options: { key?: CryptoKey; expires?: string; alg?: string } = {},
): Promise<string> {
  return new SignJWT({ iss: ISSUER, aud: AUDIENCE, ...claims })
    .setProtectedHeader({ alg: options.alg ?? "ES256" })
    .setIssuedAt()
    .setExpirationTime(options.expires ?? "5m")
    .sign(options.key ?? key);
}

async function token(user: string): Promise<{ token_id: string; token: string }> {
  const { rows } = await home.pool.query<{ token_id: string; token: string }>(
    "select token_id, token from federation.create_user_token($1)",
    [user],
  );
  return rows[0] ?? { token_id: "", token: "" };
}

describe("the home listener", () => {
  test("serves nobody unknown: no token, a wrong one, another scheme, a revoked and an expired one are 401", async () => {
    const revoked = await token("alice-at-home");
    expect((await ask(bearer(revoked.token))).status).toBe(200);
    await home.pool.query("select federation.revoke_user_token($1)", [revoked.token_id]);
    const expired = await token("alice-at-home");
    await home.pool.query("update federation.federation_user_tokens set expires_at = now() where id = $1", [
      expired.token_id,
    ]);
    for (const headers of [
      {},
      bearer("mosaic_wrong"),
      bearer("' or 1=1"),
      { authorization: `Basic ${Buffer.from("a:b").toString("base64")}` },
      bearer(revoked.token),
      bearer(expired.token),
    ]) {
      const answer = await ask(headers);
      expect(answer.status).toBe(401);
      expect(answer.body).toContain("UNAUTHENTICATED");
    }
  });

  test("does not know a token whose user is gone", async () => {
    await home.pool.query("insert into app.users values ('temporary', 'T', 't@home.example')");
    const { token: text } = await token("temporary");
    expect((await ask(bearer(text))).status).toBe(200);
    await home.pool.query("delete from app.users where id = 'temporary'");
    expect((await ask(bearer(text))).status).toBe(401);
  });

  test("answers as the user of the token, under that user's native rights", async () => {
    const titles = async (user: string): Promise<string[]> => {
      const { data } = await homeQuery(home, user, '{ list(resource: "tasks") { rows } }');
      return (data as { list: { rows: { title: string }[] } }).list.rows.map(({ title }) => title).sort();
    };
    expect(await titles("alice-at-home")).toEqual(["Plan the winter holiday", "Water the plants"]);
    expect(await titles("bob-at-home")).toEqual(["Repair the bike"]);
  });

  test("knows its users by a JWT of the configured issuer, too", async () => {
    const answer = await ask(bearer(await jwt({ sub: "bob-at-home" })));
    expect(answer.status).toBe(200);
    expect(answer.body).toContain("Repair the bike");
    expect(answer.body).not.toContain("Water the plants");
  });

  test("refuses a JWT of another key, issuer or audience, that has expired, that names nobody, or that is unsigned", async () => {
    const other = await generateKeyPair("ES256");
    const unsigned = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${Buffer.from(
      JSON.stringify({ iss: ISSUER, aud: AUDIENCE, sub: "bob-at-home", exp: 4_000_000_000 }),
    ).toString("base64url")}.`;
    for (const text of [
      await jwt({ sub: "bob-at-home" }, { key: other.privateKey }),
      await jwt({ sub: "bob-at-home", iss: "https://elsewhere.example" }),
      await jwt({ sub: "bob-at-home", aud: "another" }),
      await jwt({ sub: "bob-at-home" }, { expires: "-5m" }),
      await jwt({}),
      unsigned,
    ]) {
      expect((await ask(bearer(text))).status).toBe(401);
    }
    const stranger = await ask(bearer(await jwt({ sub: "nobody" })));
    expect(stranger.body).toContain("SUBJECT_UNKNOWN");
  });

  test("answers to names of this machine only, so that a page of another origin cannot point its own name here", async () => {
    const { request } = await import("undici");
    const { token: text } = await token("alice-at-home");
    const { statusCode, body } = await request(`${home.gateway.homeUrl}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", host: "evil.example", ...bearer(text) },
      body: QUERY,
    });
    await body.dump();
    expect(statusCode).toBe(400);
  });

  test("writes nothing for a local user", async () => {
    const { errors } = await homeQuery(home, "alice-at-home", "mutation { __typename }");
    expect(errors?.[0]?.extensions.code).toBe("BAD_REQUEST");
  });
});
