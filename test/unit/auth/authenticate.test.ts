import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAuthenticator } from "../../../src/auth/authenticate.ts";
import type { Sessions } from "../../../src/database/session.ts";
import { startDeadline } from "../../../src/deadline.ts";

// A provider that takes connections and answers none.
const provider = createServer(() => undefined);

beforeAll(async () => {
  provider.listen(0, "127.0.0.1");
  await once(provider, "listening");
});
afterAll(() => {
  provider.closeAllConnections();
  provider.close();
});

const encoded = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString("base64url");
const token = `${encoded({ alg: "ES256", kid: "one" })}.${encoded({ iss: "https://provider.example" })}.${"A".repeat(86)}`;

test("who asks by a JWT whose issuer shows no keys waits no longer than they say", async () => {
  const jwksUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}/jwks`;
  const authenticate = await createAuthenticator(
    {} as Sessions,
    {
      jwt: { issuer: "https://provider.example", audience: "home", userClaim: "sub", jwksUrl },
    } as never,
  );
  const deadline = startDeadline(100);
  try {
    await expect(authenticate(token, deadline)).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
  } finally {
    deadline.end();
  }
  const hungUp = startDeadline(60_000);
  try {
    const asking = authenticate(token, hungUp);
    hungUp.cancel();
    await expect(asking).rejects.toMatchObject({ code: "CANCELLED" });
  } finally {
    hungUp.end();
  }
});
