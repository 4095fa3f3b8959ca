import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createToken } from "../../src/demo/actors.ts";
import { HOME, WORK, task } from "../../src/demo/world.ts";
import {
  asAdministrator,
  asUser,
  expectAccessible,
  expectFits,
  goTo,
  hasChromium,
  openWindow,
  picture,
  startChromium,
} from "../harness/chromium.ts";
import { auditRows, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { openProvider } from "../harness/oidc-provider.ts";
import type { TestProvider } from "../harness/oidc-provider.ts";

describe.skipIf(!hasChromium())("a user who is no administrator", () => {
  let provider: TestProvider;
  let work: TestGateway;
  let home: TestGateway;
  let ofAlice: TestGrant;
  let ofBob: TestGrant;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    provider = await openProvider({
      id: "mosaic-pages",
      secret: "a secret of a test, long enough",
      redirectUris: () => [`${work.gateway.homeUrl}/pages/oidc/callback`],
    });
    [work, home, browser] = await Promise.all([
      openTestGateway("work.localhost", WORK, {
        pages: { oidc: { issuer: provider.issuer, clientId: "mosaic-pages", userClaim: "mosaic_user" } },
      }),
      openTestGateway("home.localhost", HOME, { cache: { ttlSeconds: 0 } }),
      startChromium(),
    ]);
    writeFileSync(join(work.directory, "secrets", "oidc-client-secret"), "a secret of a test, long enough\n", {
      mode: 0o600,
    });
    await work.restart();
    const scope = { resources: ["tasks"], include_teams: ["platform"], include_personal: true };
    ofAlice = await enrollGrant(work, home, "alice", "alice-at-home", scope);
    ofBob = await enrollGrant(work, home, "bob", "bob-at-home", scope);
    for (const user of ["alice-at-home", "bob-at-home"]) {
      await homeQuery(home, user, `{ list(resource: "tasks", source: "federated:work.localhost") { rows } }`);
    }
    await auditRows(work);
    ({ page } = await asUser(browser, work, "alice"));
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await Promise.all([work.stop(), home.stop()]);
    await provider.close();
  });

  test("sees the grants that speak for them, and of nobody else's not even that it is there", async () => {
    expect(await page.getByRole("navigation").getByRole("link").allInnerTexts()).toEqual([
      "Overview",
      "Grants",
      "Peers",
      "Audit",
    ]);
    await expectAccessible(page);
    await expectFits(page);
    await picture(page, "overview-user");
    await goTo(page, work, "/grants");
    const table = page.getByRole("table", { name: "Grants" });
    await table.waitFor();
    expect(await table.getByRole("row").count()).toBe(2);
    expect(await table.innerText()).not.toContain("bob");
    await expectAccessible(page);
    await expectFits(page);
    await goTo(page, work, `/grants/${ofAlice.grantId}`);
    await page.getByRole("region", { name: "State" }).waitFor();
    expect(await page.getByRole("button", { name: /Suspend|one-time URL/ }).count()).toBe(0);
    expect(await page.getByRole("link", { name: "Edit the scope" }).count()).toBe(0);
    await expectAccessible(page);
    await expectFits(page);
    await goTo(page, work, `/grants/${ofBob.grantId}`);
    await page.getByText("There is no such grant, or it does not speak for you.").waitFor();
    for (const path of [
      "/administrators",
      "/alerts",
      "/resources",
      "/resources/new",
      "/grants/new",
      `/grants/${ofAlice.grantId}/scope`,
    ]) {
      await goTo(page, work, path);
      await page.getByRole("heading", { name: "There is no such page" }).waitFor();
    }
  });

  test("asks why a row of theirs comes or does not, and what the peer sees", async () => {
    await goTo(page, work, `/grants/${ofAlice.grantId}/explain`);
    await page.getByRole("button", { name: "Look", exact: true }).click();
    await page.getByRole("region", { name: "tasks, for example" }).getByText("dentist").waitFor();
    await expectAccessible(page);
    await expectFits(page);
    await page.getByRole("tab", { name: "Why a row comes or does not" }).click();
    await page.getByRole("radio", { name: "the one with this key" }).check({ force: true });
    await page.getByLabel("Key of the row").fill(task(3));
    await page.getByRole("button", { name: "Explain" }).click();
    const row = page.getByRole("table", { name: "Rows, explained" }).getByRole("row").nth(1);
    await row.waitFor();
    expect(await row.getByRole("cell").nth(2).innerText()).toBe("team");
    await expectAccessible(page);
    await expectFits(page);
  });

  test("sees their own trail, and takes nothing but that along", async () => {
    await goTo(page, work, "/audit");
    const table = page.getByRole("table", { name: "Audit rows" });
    await table.waitFor();
    expect(await table.innerText()).toContain("for alice");
    expect(await table.innerText()).not.toContain("for bob");
    expect(await page.getByRole("button", { name: /Verify/ }).count()).toBe(0);
    await expectAccessible(page);
    await expectFits(page);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Export CSV" }).click(),
    ]);
    const text = readFileSync(await download.path(), "utf8");
    expect(text).toContain(ofAlice.grantId);
    expect(text).not.toContain(ofBob.grantId);
  });

  test("revokes a grant that speaks for them, and no other", async () => {
    await goTo(page, work, `/grants/${ofAlice.grantId}`);
    await page.getByRole("button", { name: "Revoke…" }).click();
    await page.getByLabel("Reason").fill("I do not want it any more");
    await page.getByRole("button", { name: "Revoke it" }).click();
    await page.getByText("I do not want it any more").waitFor();
    const read = async (user: string): Promise<string> => {
      const query = `{ list(resource: "tasks", source: "federated:work.localhost") { rows } }`;
      return (await homeQuery(home, user, query)).errors?.[0]?.extensions.code ?? "OK";
    };
    expect(await read("alice-at-home")).not.toBe("OK");
    expect(await read("bob-at-home")).toBe("OK");
  });

  test("sees their own peers, renews the certificate of one, and removes it", async () => {
    const { page: there } = await asUser(browser, home, "bob-at-home");
    await goTo(there, home, "/peers");
    const cards = there.getByRole("region", { name: "work.localhost" });
    await cards.first().waitFor();
    expect(await cards.count()).toBe(1);
    expect(await cards.innerText()).toContain(ofBob.enrolled.serial);
    await expectAccessible(there);
    await expectFits(there);
    await cards.getByRole("button", { name: "Renew the certificate" }).click();
    await cards.getByText("It has another certificate.").waitFor();
    await expect.poll(() => cards.innerText(), { timeout: 15_000 }).not.toContain(ofBob.enrolled.serial);
    await cards.getByRole("button", { name: "Remove…" }).click();
    await there.getByRole("button", { name: "Remove it" }).click();
    await there.getByText("No peer yet.").waitFor();
    const { rows } = await home.pool.query("select owner_user_id from federation.list_peers()");
    expect(rows).toEqual([{ owner_user_id: "alice-at-home" }]);
    await there.context().close();
  });

  test("signs in at the provider, and is told by code where the gateway knows nobody of that name", async () => {
    provider.account("subject-of-bob", "bob");
    const { page: window, faults } = await openWindow(browser, work);
    await window.getByRole("link", { name: "Sign in with your organisation" }).click();
    await window.getByRole("heading", { name: "Overview" }).waitFor();
    await window.getByText("bob", { exact: true }).waitFor();
    expect(window.url()).toBe(`${work.gateway.homeUrl}/pages/`);
    await window.context().close();

    provider.account("somebody", "nobody");
    const { page: stranger } = await openWindow(browser, work);
    await stranger.getByRole("link", { name: "Sign in with your organisation" }).click();
    await stranger.getByRole("alert").getByText("UNAUTHENTICATED").waitFor();
    expect(await stranger.getByRole("alert").innerText()).toContain("this gateway does not let you in");
    expect(await stranger.getByRole("heading", { level: 1 }).innerText()).toBe("Sign in");
    await expectAccessible(stranger);
    await stranger.goto(`${work.gateway.homeUrl}/pages/?refused=Call+0900+and+read+out+your+token`);
    await stranger.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await stranger.getByRole("alert").count()).toBe(0);
    expect(await stranger.content()).not.toContain("0900");
    expect(faults).toEqual([]);
    await stranger.context().close();
  });

  test("sees nothing in the same window of whoever was signed in before, however that session ended", async () => {
    const { page: shared } = await asAdministrator(browser, work, "Una");
    await goTo(shared, work, "/grants");
    await shared.getByRole("table", { name: "Grants" }).getByText("bob").first().waitFor();
    // Everything that is ever shown from here on.
    await shared.evaluate(`
      window.shown = [];
      new MutationObserver(() => window.shown.push(document.body.innerText)).observe(document.body, { childList: true, subtree: true, characterData: true });
    `);
    await work.pool.query("select federation.end_browser_sessions('Una')");
    await shared.getByRole("heading", { name: "Sign in" }).waitFor();
    await shared.evaluate("window.shown.length = 0");
    // The answer to the next person is held back: what was kept would be there before it.
    await shared.route("**/pages/graphql", async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      await route.continue();
    });
    // The next person signs in by another window of the same browser; this one sees it when it is looked at.
    const other = await shared.context().newPage();
    await other.goto(`${work.gateway.homeUrl}/pages/`);
    await other.getByLabel("Token").fill(await createToken(work.directory, "alice"));
    await other.getByRole("button", { name: "Sign in", exact: true }).click();
    await other.getByRole("heading", { name: "Overview" }).waitFor();
    await shared.evaluate("window.dispatchEvent(new Event('visibilitychange'))");
    const table = shared.getByRole("table", { name: "Grants" });
    await table.getByText("alice").first().waitFor();
    const shown = await shared.evaluate<string[]>("window.shown");
    expect(shown.join("\n")).toContain("alice");
    expect(shown.join("\n")).not.toContain("bob");
    await shared.context().close();
  });
});
