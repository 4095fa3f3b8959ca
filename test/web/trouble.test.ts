import { readFile } from "node:fs/promises";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WORK } from "../../src/demo/world.ts";
import { appendAt } from "../harness/audit.ts";
import { asAdministrator, expectAccessible, goTo, hasChromium, settled, startChromium } from "../harness/chromium.ts";
import type { Window } from "../harness/chromium.ts";
import { openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

/** Of a grant that is in the log alone. */
const GRANT_ID = "00000000-0000-4000-8000-0000000000aa";

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

  test("pages through the log, and narrows it to what people changed and to a time", async () => {
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
    await expect.poll(() => table.innerText(), { timeout: 15_000 }).not.toBe(first);
    await page.getByRole("button", { name: "Newer rows" }).click();
    await expect.poll(() => page.getByRole("button", { name: "Newer rows" }).count(), { timeout: 15_000 }).toBe(0);

    const verb = page.getByLabel("Verb");
    expect(await page.locator("datalist option[value='administrator.created']").count()).toBe(1);
    await verb.fill("administrator.created");
    await expect.poll(rows, { timeout: 15_000 }).toBe(2);
    expect(await table.innerText()).toContain("administrator.created");
    await verb.fill("no.such_verb");
    await page.getByText("There is no row like this.").waitFor();
    await verb.fill("list");
    await expect.poll(rows, { timeout: 15_000 }).toBe(51);
    await page.getByLabel("Since").fill("2126-01-01T00:00");
    await page.getByText("There is no row like this.").waitFor();
    await page.getByLabel("Since").fill("");
    await page.getByLabel("Until").fill("2126-01-01T00:00");
    await expect.poll(rows, { timeout: 15_000 }).toBe(51);
    await expectAccessible(page);

    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Export NDJSON" }).click(),
    ]);
    const text = await readFile(await download.path(), "utf8");
    expect(text.trim().split("\n")).toHaveLength(120);
  });

  test("finds the rows of one subject, and those that are archived only where they ask for them", async () => {
    const { page } = window;
    const write = (days: number, subject: string, resource: string): Promise<void> =>
      appendAt(
        work.pool,
        [
          {
            at: new Date(Date.now() - days * 86_400_000).toISOString(),
            grant_id: GRANT_ID,
            subject_user_id: subject,
            resource,
          },
        ],
        "requests-5",
      );
    const roll = () => work.pool.query("select from federation.roll_audit()");
    await roll();
    await write(120, "bob", "notes");
    await write(120, "carol", "credentials");
    await roll();
    await write(0, "bob", "tasks");
    await write(0, "carol", "tasks");

    await goTo(page, work, "/audit");
    const table = page.getByRole("table", { name: "Audit rows" });
    const shown = async (): Promise<string[]> => {
      const rows = await table.getByRole("row").filter({ hasText: "for " }).all();
      const texts = await Promise.all(rows.map((row) => row.getByRole("cell").allInnerTexts()));
      return texts.map((cells) => `${cells[1] ?? ""} ${cells[3] ?? ""}`.replaceAll(/\s+/g, " "));
    };
    const now = `list tasks ${GRANT_ID} for bob`;
    const before = `list notes ${GRANT_ID} for bob`;
    await page.getByLabel("Grant's id").fill(GRANT_ID);
    await expect.poll(shown, { timeout: 15_000 }).toEqual([`list tasks ${GRANT_ID} for carol`, now]);
    await page.getByLabel("Subject").fill("bob");
    await expect.poll(shown, { timeout: 15_000 }).toEqual([now]);
    const archived = page.getByRole("checkbox", { name: "with archived rows" });
    await archived.check({ force: true });
    await expect.poll(shown, { timeout: 15_000 }).toEqual([now, before]);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Export NDJSON" }).click(),
    ]);
    expect((await readFile(await download.path(), "utf8")).trim().split("\n")).toHaveLength(2);
    await archived.uncheck({ force: true });
    await expect.poll(shown, { timeout: 15_000 }).toEqual([now]);
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
