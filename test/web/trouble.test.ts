import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WORK } from "../../src/demo/world.ts";
import { asAdministrator, expectAccessible, goTo, hasChromium, settled, startChromium } from "../harness/chromium.ts";
import type { Window } from "../harness/chromium.ts";
import { openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

// What a person meets where something is not there: code, rows, an answer.
describe.skipIf(!hasChromium())("an administrator", () => {
  let work: TestGateway;
  let browser: Browser;
  let window: Window;

  beforeAll(async () => {
    [work, browser] = await Promise.all([openTestGateway("work.localhost", WORK), startChromium()]);
    window = await asAdministrator(browser, work, "ada");
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await work.stop();
  });

  test("is told where the code of a page does not come, goes on with the others, and gets it anew", async () => {
    const { page } = window;
    await goTo(page, work, "/");
    const code = /\/pages\/assets\/audit-.*\.js$/;
    await page.route(code, (route) => route.abort());
    await page.getByRole("link", { name: "Audit", exact: true }).click();
    await page.getByRole("alert").getByText("This page could not be shown.").waitFor();
    await expectAccessible(page);

    await page.getByRole("link", { name: "Grants", exact: true }).click();
    await page.getByRole("heading", { name: "Grants", exact: true }).waitFor();
    await page.getByRole("link", { name: "Audit", exact: true }).click();
    await page.getByRole("alert").getByText("This page could not be shown.").waitFor();

    await page.unroute(code);
    await page.getByRole("button", { name: "Load it anew" }).click();
    await page.getByRole("heading", { name: "Audit" }).waitFor();
    await settled(page);
    expect(await page.getByRole("table", { name: "Audit rows" }).isVisible()).toBe(true);
  });

  test("is told where the overview cannot be had, and has it once it can", async () => {
    const { page } = window;
    await page.route(/\/pages\/graphql$/, (route) => route.abort());
    await page.goto(`${work.gateway.homeUrl}/pages/`);
    await page.getByRole("alert").first().waitFor();
    await page.unroute(/\/pages\/graphql$/);
    await page.getByRole("button", { name: "Try again" }).first().click();
    await page.getByText("Gateways hear of changes at once.").waitFor();
    expect(await page.getByText("Requests are counted together.").count()).toBe(0);
  });

  test("pages through the log, and narrows it to what people changed, to a time, and to archived rows", async () => {
    const { page } = window;
    await work.pool.query(
      `select federation.append_audit(jsonb_agg(jsonb_build_object(
         'at', now() - n * interval '1 second', 'verb', 'list', 'resource', 'tasks', 'outcome', 'served', 'code', 'OK', 'row_count', n)), 'requests-3')
       from generate_series(1, 120) as n`,
    );
    await goTo(page, work, "/audit");
    const table = page.getByRole("table", { name: "Audit rows" });
    const rows = (): Promise<number> => table.getByRole("row").count();
    expect(await rows()).toBe(51);
    const first = await table.innerText();
    await page.getByRole("button", { name: "Older rows" }).click();
    await expect.poll(() => table.innerText()).not.toBe(first);
    await page.getByRole("button", { name: "Newer rows" }).click();
    await expect.poll(() => page.getByRole("button", { name: "Newer rows" }).count()).toBe(0);

    const verb = page.getByLabel("Verb");
    expect(await page.locator("datalist option[value='administrator.created']").count()).toBe(1);
    await verb.fill("administrator.created");
    await expect.poll(rows).toBe(2);
    expect(await table.innerText()).toContain("administrator.created");
    await verb.fill("no.such_verb");
    await page.getByText("There is no row like this.").waitFor();
    await verb.fill("list");
    await expect.poll(rows).toBe(51);
    await page.getByLabel("Since").fill("2126-01-01T00:00");
    await page.getByText("There is no row like this.").waitFor();
    await page.getByLabel("Since").fill("");
    await page.getByLabel("Until").fill("2126-01-01T00:00");
    await expect.poll(rows).toBe(51);
    await page.getByText("with archived rows").click();
    await settled(page);
    expect(await rows()).toBe(51);
    await expectAccessible(page);

    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Export NDJSON" }).click(),
    ]);
    const text = await readFile(await download.path(), "utf8");
    expect(text.trim().split("\n")).toHaveLength(120);
  });

  test("finds nothing to look at where nothing is, and the way back from a page that is not there", async () => {
    const { page } = window;
    await goTo(page, work, "/grants");
    await page.getByText(/No grant yet/).waitFor();
    await goTo(page, work, "/alerts");
    await page.getByText(/Nothing needs a look/).waitFor();
    await goTo(page, work, "/no-such-page");
    await page.getByRole("link", { name: "To the overview" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  });
});
