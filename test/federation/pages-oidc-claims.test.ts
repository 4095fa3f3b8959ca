import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WORK } from "../../src/demo/world.ts";
import { openCraftedProvider } from "../harness/crafted-provider.ts";
import type { CraftedAnswer, CraftedProvider } from "../harness/crafted-provider.ts";
import { auditRows, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { ask, browser } from "../harness/pages.ts";
import type { Browser } from "../harness/pages.ts";

let provider: CraftedProvider;
let work: TestGateway;

beforeAll(async () => {
  provider = await openCraftedProvider("mosaic-pages");
  work = await openTestGateway("work.localhost", WORK, {
    pages: { oidc: { issuer: provider.issuer, clientId: "mosaic-pages", userClaim: "email" } },
  });
  await work.pool.query("insert into app.users values ('dora@work.example', 'Dora', 'dora@work.example')");
  await work.pool.query("select federation.add_administrator('ada', $1, 'subject-of-ada')", [provider.issuer]);
}, 120_000);
afterAll(async () => {
  await work.stop();
  await provider.close();
});

/** Signs a browser in by what the provider says, and returns it with the status. */
async function signIn(answer: CraftedAnswer): Promise<{ status: number; by: Browser }> {
  provider.answer(answer);
  const by = browser(work);
  const begun = await by.get("/pages/oidc/start");
  const back = await fetch(begun.headers.get("location") ?? "", { redirect: "manual" });
  const place = new URL(back.headers.get("location") ?? "");
  const { status } = await by.get(place.pathname + place.search);
  return { status, by };
}

describe("what a provider says", () => {
  test("is believed only where its own key has signed it: 401 UNAUTHENTICATED, and in the log", async () => {
    const claims = { sub: "subject-of-ada" };
    expect((await signIn({ claims })).status).toBe(200);
    const before = (await auditRows(work)).length;
    const { status, by } = await signIn({ claims, forged: true });
    expect(status).toBe(401);
    expect((await ask(by, "{ me { name } }")).code).toBe("UNAUTHENTICATED");
    const rows = await auditRows(work);
    expect(rows).toHaveLength(before + 1);
    expect(rows[0]).toMatchObject({ verb: "pages.sign_in", outcome: "denied", code: "UNAUTHENTICATED" });
  });

  test("of an address names a user only where it has verified it", async () => {
    const email = "dora@work.example";
    for (const unverified of [{}, { email_verified: false }, { email_verified: "true" }]) {
      const { status } = await signIn({ claims: { sub: "somebody", email, ...unverified } });
      expect(status, JSON.stringify(unverified)).toBe(401);
    }
    const { status, by } = await signIn({ claims: { sub: "somebody", email, email_verified: true } });
    expect(status).toBe(200);
    expect((await ask(by, "{ me { name isAdministrator } }")).data).toEqual({
      me: { name: email, isAdministrator: false },
    });
  });
});
