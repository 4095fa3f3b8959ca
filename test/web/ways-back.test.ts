import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { WORK } from "../../src/demo/world.ts";
import {
  asAdministrator,
  expectAccessible,
  goTo,
  hasChromium,
  openWindow,
  startChromium,
} from "../harness/chromium.ts";
import { auditRows, createGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

const SCOPE = { resources: ["tasks"], include_teams: ["platform"] };
const GRAPHQL = /\/pages\/graphql$/;

// What a person meets after something did not go as they wanted, and how they go on from there.
describe.skipIf(!hasChromium())("an administrator", () => {
  let work: TestGateway;
  let browser: Browser;
  let page: Page;
  let grantId: string;

  beforeAll(async () => {
    [work, browser] = await Promise.all([openTestGateway("work.localhost", WORK), startChromium()]);
    ({ page } = await asAdministrator(browser, work, "ada"));
  }, 180_000);
  beforeEach(async () => {
    ({ grantId } = await createGrant(work, "alice", SCOPE));
  });
  afterAll(async () => {
    await browser.close();
    await work.stop();
  });

  const refused = (code: string) => page.getByRole("alert").getByText(code);
  const focused = (): Promise<string> =>
    page.evaluate<string>("document.activeElement.labels?.[0]?.textContent ?? document.activeElement.tagName");

  test("is told that they are still signed in where the gateway did not take the sign-out", async () => {
    await goTo(page, work, "/grants");
    await page.route(/\/pages\/sign-out$/, (route) => route.abort());
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("alert").getByText("You are still signed in").waitFor();
    await expectAccessible(page);
    expect(await page.getByRole("heading", { name: "Grants", exact: true }).isVisible()).toBe(true);
    await page.unroute(/\/pages\/sign-out$/);
    await goTo(page, work, "/grants");
    expect(await page.getByRole("button", { name: "Sign out" }).isVisible()).toBe(true);
  });

  test("is led to the first field that is wrong, and what was refused goes once it is mended", async () => {
    await goTo(page, work, "/grants/new");
    await page.getByRole("checkbox", { name: "tasks" }).first().check({ force: true });
    await page.getByRole("button", { name: "Make the grant" }).click();
    await expect.poll(focused, { timeout: 5_000 }).toContain("Speaks for");
    await page.keyboard.type("nobody");
    await page.getByRole("textbox", { name: "Peer" }).fill("home.localhost");
    await page.getByRole("button", { name: "Make the grant" }).click();
    await refused("SUBJECT_UNKNOWN").waitFor();
    await page.getByLabel("Speaks for").fill("alice");
    expect(await page.getByRole("alert").count()).toBe(0);
    await page.getByLabel("Ends by itself").fill("2020-01-01T00:00");
    await page.getByRole("button", { name: "Make the grant" }).click();
    await refused("BAD_REQUEST").waitFor();
    await page.getByLabel("Ends by itself").fill("");
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  test("is not shown the one-time URL of a grant that has ended, nor the token of who was removed", async () => {
    await goTo(page, work, `/grants/${grantId}`);
    await page.getByRole("button", { name: "New one-time URL…" }).click();
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByTestId("enrollment-url").waitFor();
    await page.getByRole("button", { name: "Revoke…" }).click();
    await page.getByLabel("Reason").fill("a mistake");
    await page.getByRole("button", { name: "Revoke it" }).click();
    await page.getByText("a mistake").waitFor();
    expect(await page.getByTestId("enrollment-url").count()).toBe(0);

    await goTo(page, work, "/administrators");
    await page.getByLabel("Name").fill("grace");
    await page.getByRole("button", { name: "Add them" }).click();
    await page.getByTestId("administrator-token").waitFor();
    expect(await page.getByLabel("Name").inputValue()).toBe("");
    await page.getByRole("row").filter({ hasText: "grace" }).getByRole("button", { name: "Remove…" }).click();
    await page.getByRole("button", { name: "Remove them" }).click();
    await page.getByRole("row").filter({ hasText: "grace" }).waitFor({ state: "detached" });
    expect(await page.getByTestId("administrator-token").count()).toBe(0);
  });

  test("goes on with the scope of now where another saved theirs first", async () => {
    await goTo(page, work, `/grants/${grantId}/scope`);
    await page.getByText("Personal rows, those of no team").click();
    await page.getByRole("button", { name: "Show the difference" }).click();
    await page.getByRole("button", { name: "Widen the grant…" }).click();
    await work.pool.query("select federation.update_grant($1, $2)", [grantId, { ...SCOPE, max_rows_per_query: 7 }]);
    await page.getByRole("button", { name: "Widen it" }).click();
    await refused("CONFLICT").waitFor();
    expect(await page.getByRole("alertdialog").count()).toBe(0);
    await page.getByRole("button", { name: "Begin anew with the scope as it is" }).click();
    await expect.poll(() => page.getByLabel("Most rows in one answer").inputValue(), { timeout: 15_000 }).toBe("7");
    expect(await page.getByRole("alert").count()).toBe(0);

    await work.pool.query("select federation.revoke_grant($1, 'left')", [grantId]);
    await goTo(page, work, `/grants/${grantId}/scope`);
    await page.getByText("This grant is revoked: its scope is not changed any more.").waitFor();
  });

  test("is not told that something was done where no answer came", async () => {
    await goTo(page, work, `/grants/${grantId}`);
    await page.getByRole("button", { name: "New one-time URL…" }).click();
    await page.route(GRAPHQL, (route) => route.abort());
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByRole("alertdialog").getByText("Whether this was done is not known").waitFor();
    await page.unroute(GRAPHQL);
  });

  test("finds under whose name something was refused, and who was let in by no token", async () => {
    await goTo(page, work, "/grants/new");
    await page.getByLabel("Speaks for").fill("nobody");
    await page.getByRole("textbox", { name: "Peer" }).fill("home.localhost");
    await page.getByRole("checkbox", { name: "tasks" }).first().check({ force: true });
    await page.getByRole("button", { name: "Make the grant" }).click();
    await refused("SUBJECT_UNKNOWN").waitFor();
    const stranger = await openWindow(browser, work);
    await stranger.page.getByLabel("Token").fill("mft_none");
    await stranger.page.getByRole("button", { name: "Sign in", exact: true }).click();
    await stranger.page.getByRole("alert").waitFor();
    await stranger.page.context().close();
    await auditRows(work);

    await goTo(page, work, "/audit");
    const table = page.getByRole("table", { name: "Audit rows" });
    const by = async (text: string): Promise<string | undefined> =>
      (await table.getByRole("row").filter({ hasText: text }).first().getByRole("cell").last().innerText()).split(
        "\n",
      )[0];
    expect(await by("SUBJECT_UNKNOWN")).toBe("ada");
    expect(await by("pages.sign_in")).toBe("nobody signed in");
  });

  test("has the filters of the log in its address: the way back has them, and the section's own link has none", async () => {
    await goTo(page, work, `/grants/${grantId}`);
    await page.getByRole("link", { name: "Its trail" }).click();
    await page.getByRole("heading", { name: "Trail of a grant" }).waitFor();
    // As a person writes them.
    await page.getByLabel("Verb").fill("GRANT.created");
    const table = page.getByRole("table", { name: "Audit rows" });
    await expect.poll(() => table.getByRole("row").count(), { timeout: 15_000 }).toBe(2);
    await table.getByRole("link").first().click();
    await page.getByRole("heading", { name: "Grant to home.localhost" }).waitFor();
    await page.goBack();
    await expect.poll(() => page.getByLabel("Verb").inputValue(), { timeout: 15_000 }).toBe("GRANT.created");
    expect(await page.getByLabel("Grant's id").inputValue()).toBe(grantId);

    await page.getByRole("link", { name: "Audit", exact: true }).click();
    await page.getByRole("heading", { name: "Rows", exact: true }).waitFor();
    expect(await page.getByLabel("Grant's id").inputValue()).toBe("");
    expect(await page.getByLabel("Verb").inputValue()).toBe("");

    await page.getByLabel("Grant's id").fill("xyz");
    await page.getByText("The whole id of a grant, as its page has it.").waitFor();
    expect(await page.getByRole("link", { name: "Export CSV" }).count()).toBe(0);
    await page.getByLabel("Grant's id").fill("");
    await page.getByLabel("Since").fill("2026-01-02T00:00");
    await page.getByLabel("Until").fill("2026-01-01T00:00");
    await page.getByText("This is before its beginning.").waitFor();
    await expectAccessible(page);
    // An address may say anything.
    await goTo(page, work, "/audit?since=abc&until=+020000-01-01T00:00&outcome=nothing&subject=100%2541");
    expect(await page.getByLabel("Since").inputValue()).toBe("");
    expect(await page.getByLabel("Subject").inputValue()).toBe("100%41");
    await page.getByText("There is no row like this.").waitFor();
    await goTo(page, work, "/grants/xyz");
    await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  });
});
