import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WORK } from "../../src/demo/world.ts";
import {
  asAdministrator,
  expectAccessible,
  goTo,
  hasChromium,
  openWindow,
  settled,
  startChromium,
} from "../harness/chromium.ts";
import { openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

describe.skipIf(!hasChromium())("administrators", () => {
  let work: TestGateway;
  let browser: Browser;

  beforeAll(async () => {
    [work, browser] = await Promise.all([openTestGateway("work.localhost", WORK), startChromium()]);
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await work.stop();
  });

  test("add another, whose token is shown once and signs in, and remove them, whose window is signed out", async () => {
    const { page, faults } = await asAdministrator(browser, work, "ada");
    await goTo(page, work, "/administrators");
    const table = page.getByRole("table", { name: "Administrators" });
    expect(await table.getByRole("row").nth(1).innerText()).toContain("you");

    await page.getByLabel("Name").fill("a name");
    await page.getByRole("button", { name: "Add them" }).click();
    await page.getByRole("alert").getByText("BAD_REQUEST").waitFor();
    await page.getByLabel("Name").fill("grace");
    await page.getByRole("button", { name: "Add them" }).click();
    const shown = page.getByTestId("administrator-token");
    await shown.waitFor();
    await expectAccessible(page);
    const token = (await shown.innerText()).trim();
    expect(token).toMatch(/^mosaic_admin_[\w-]{43}$/);
    await table.getByText("grace").waitFor();
    await page.reload();
    await settled(page);
    await table.getByText("grace").waitFor();
    expect(await page.content()).not.toContain(token);

    const { page: hers } = await openWindow(browser, work);
    await hers.getByLabel("Token").fill(token);
    await hers.getByRole("button", { name: "Sign in", exact: true }).click();
    await hers.getByRole("heading", { name: "Overview" }).waitFor();

    await table.getByRole("row").filter({ hasText: "grace" }).getByRole("button", { name: "Remove…" }).click();
    await expectAccessible(page);
    await page.getByRole("button", { name: "Remove them" }).click();
    await table.getByText("grace").waitFor({ state: "detached" });
    await hers.getByRole("heading", { name: "Sign in" }).waitFor();
    const { rows } = await work.pool.query(
      "select verb, actor from federation.list_audit(limit_rows => 1000) where verb ~ '^administrator' and actor = 'ada' order by id",
    );
    expect(rows).toEqual([
      { verb: "administrator.created", actor: "ada" },
      { verb: "administrator.removed", actor: "ada" },
    ]);
    expect(faults).toEqual([]);
  });
});
