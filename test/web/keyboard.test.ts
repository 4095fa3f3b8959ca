import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WORK } from "../../src/demo/world.ts";
import { hasChromium, openWindow, settled, startChromium } from "../harness/chromium.ts";
import { openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

/** More stops than any page has. */
const MOST_STOPS = 80;

describe.skipIf(!hasChromium())("by the keyboard alone", () => {
  let work: TestGateway;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    [work, browser] = await Promise.all([openTestGateway("work.localhost", WORK), startChromium()]);
    ({ page } = await openWindow(browser, work));
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await work.stop();
  });

  async function hasFocus(target: Locator): Promise<boolean> {
    return (await target.and(page.locator(":focus")).count()) === 1;
  }

  /** Presses Tab until this has the focus, and shows it. */
  async function reach(target: Locator): Promise<void> {
    for (let stop = 0; stop < MOST_STOPS; stop += 1) {
      await page.keyboard.press("Tab");
      if (await hasFocus(target)) {
        return;
      }
    }
    throw new Error(`Tab does not reach ${target.toString()}`);
  }

  test("one signs in, makes a grant, edits its scope, revokes it and signs out", async () => {
    const { rows } = await work.pool.query<{ token: string }>("select token from federation.add_administrator('kay')");
    await reach(page.getByLabel("Token"));
    await page.keyboard.type(rows[0]?.token ?? "");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Overview" }).waitFor();

    // The first stop of a page leads past the sections.
    await page.reload();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await settled(page);
    const skip = page.getByRole("link", { name: "Skip to the page" });
    await page.evaluate("document.activeElement.blur()");
    await reach(skip);
    await page.keyboard.press("Enter");
    await reach(page.getByRole("link", { name: "New grant" }));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "New grant" }).waitFor();
    await settled(page);
    expect(await page.evaluate("document.activeElement.textContent")).toBe("New grant");

    await reach(page.getByLabel("Speaks for"));
    await page.keyboard.type("alice");
    await page.keyboard.press("Escape");
    await reach(page.getByRole("textbox", { name: "Peer" }));
    await page.keyboard.type("home.localhost");
    await reach(page.getByRole("checkbox", { name: "tasks" }).first());
    await page.keyboard.press("Space");
    await reach(page.getByRole("button", { name: "Make the grant" }));
    await page.keyboard.press("Enter");
    await page.getByTestId("enrollment-url").waitFor();
    await reach(page.getByRole("link", { name: "To the grant" }));
    await page.keyboard.press("Enter");

    await page.getByRole("heading", { name: "Grant to home.localhost" }).waitFor();
    await reach(page.getByRole("link", { name: "Edit the scope" }));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Scope", exact: true, level: 1 }).waitFor();
    await settled(page);
    await reach(page.getByRole("tab", { name: "Choose" }));
    await page.keyboard.press("ArrowRight");
    await page.getByLabel("The scope as JSON").waitFor();
    await page.keyboard.press("ArrowLeft");
    await reach(page.getByRole("radio", { name: /of the teams chosen/ }));
    await page.keyboard.press("ArrowDown");
    await reach(page.getByRole("button", { name: "Show the difference" }));
    await page.keyboard.press("Enter");
    const widen = page.getByRole("button", { name: "Widen the grant…" });
    await widen.waitFor();
    await reach(widen);
    await page.keyboard.press("Enter");
    await page.getByRole("alertdialog").waitFor();
    // The question keeps the keyboard, Escape takes it back, and the keyboard goes on where it was.
    await page.keyboard.press("Escape");
    await page.getByRole("alertdialog").waitFor({ state: "detached" });
    await expect.poll(() => hasFocus(widen)).toBe(true);
    await page.keyboard.press("Enter");
    await reach(page.getByRole("button", { name: "Widen it" }));
    await page.keyboard.press("Enter");

    await page.getByText("every team of the subject").waitFor();
    await reach(page.getByRole("button", { name: "Revoke…" }));
    await page.keyboard.press("Enter");
    await reach(page.getByLabel("Reason"));
    await page.keyboard.type("done with it");
    await page.keyboard.press("Enter");
    await page.getByText("done with it").waitFor();

    await reach(page.getByRole("button", { name: "Sign out" }));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });
});
