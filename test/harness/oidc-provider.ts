import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Provider } from "oidc-provider";

/** A real OpenID Connect provider on loopback, which lets in whoever it is told to. */
export interface TestProvider {
  issuer: string;
  /** Who logs in at the provider from now on, and the claim `mosaic_user` of theirs. */
  account(id: string, user?: string): void;
  close(): Promise<void>;
}

/**
 * @param client.redirectUris read when a browser comes, for a gateway that starts later
 */
export async function openProvider(client: {
  id: string;
  secret: string;
  redirectUris: () => string[];
}): Promise<TestProvider> {
  let account: { id: string; user: string | undefined } = { id: "nobody", user: undefined };
  let made: Provider | undefined;
  const server = createServer((request, response) => {
    made ??= provider();
    if (request.url?.startsWith("/interaction/") === true) {
      void made.interactionFinished(request, response, { login: { accountId: account.id } });
    } else {
      void made.callback()(request, response);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = (): Provider =>
    new Provider(issuer, {
      clients: [
        {
          client_id: client.id,
          client_secret: client.secret,
          redirect_uris: client.redirectUris(),
          token_endpoint_auth_method: "client_secret_post",
        },
      ],
      claims: { openid: ["sub", "mosaic_user"] },
      conformIdTokenClaims: false,
      cookies: { keys: ["a key of a test"] },
      features: { devInteractions: { enabled: false } },
      findAccount: (_context, id) => ({
        accountId: id,
        claims: () => ({ sub: id, ...(account.user === undefined ? {} : { mosaic_user: account.user }) }),
      }),
      // Nobody is asked: whoever is to log in has logged in and agreed.
      loadExistingGrant: async (context) => {
        const grant = new context.oidc.provider.Grant({
          accountId: context.oidc.session?.accountId ?? account.id,
          clientId: client.id,
        });
        grant.addOIDCScope("openid");
        await grant.save();
        return grant;
      },
      interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
      pkce: { required: () => true },
    });
  return {
    issuer,
    account: (id, user) => {
      account = { id, user };
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
