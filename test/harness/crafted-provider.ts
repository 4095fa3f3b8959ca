import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

/** What a crafted provider says of whoever comes. */
export interface CraftedAnswer {
  claims: Record<string, unknown>;
  /** Whether the token is signed by a key that the provider has not published. */
  forged?: boolean;
}

/** An OpenID Connect provider on loopback that lets in whoever comes, and says of them what it is told to: what no real one would. */
export interface CraftedProvider {
  issuer: string;
  answer(answer: CraftedAnswer): void;
  close(): Promise<void>;
}

/** @param clientId of the only client that it knows */
export async function openCraftedProvider(clientId: string): Promise<CraftedProvider> {
  const own = await generateKeyPair("RS256");
  const other = await generateKeyPair("RS256");
  const jwk = { ...(await exportJWK(own.publicKey)), kid: "own", alg: "RS256", use: "sig" };
  let said: CraftedAnswer = { claims: { sub: "nobody" } };
  let nonce = "";

  const token = ({ claims, forged = false }: CraftedAnswer): Promise<string> =>
    new SignJWT({ nonce, ...claims })
      .setProtectedHeader({ alg: "RS256", kid: "own" })
      .setIssuer(issuer)
      .setAudience(clientId)
      .setIssuedAt()
      .setExpirationTime("5m")
      .sign(forged ? other.privateKey : own.privateKey);
  const bodyAt = async (path: string): Promise<object | undefined> => {
    switch (path) {
      case "/.well-known/openid-configuration":
        return {
          issuer,
          authorization_endpoint: `${issuer}/authorize`,
          token_endpoint: `${issuer}/token`,
          jwks_uri: `${issuer}/keys`,
          id_token_signing_alg_values_supported: ["RS256"],
        };
      case "/keys":
        return { keys: [jwk] };
      case "/token":
        return { access_token: "none", token_type: "Bearer", id_token: await token(said) };
      default:
        return undefined;
    }
  };
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "", issuer);
    if (pathname === "/authorize") {
      nonce = searchParams.get("nonce") ?? "";
      const back = new URL(searchParams.get("redirect_uri") ?? "");
      back.searchParams.set("code", "a-code");
      back.searchParams.set("state", searchParams.get("state") ?? "");
      response.writeHead(302, { location: back.href }).end();
      return;
    }
    void bodyAt(pathname).then((body) => {
      response.writeHead(body === undefined ? 404 : 200, { "content-type": "application/json" });
      response.end(JSON.stringify(body ?? {}));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    issuer,
    answer: (answer) => {
      said = answer;
    },
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => {
          resolve();
        });
      }),
  };
}
