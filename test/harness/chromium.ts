import { existsSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions, Locator, Page } from "playwright-core";
import { expect } from "vitest";
import { createToken } from "../../src/demo/actors.ts";
import type { TestGateway } from "./gateway.ts";

/** Debian's package; Debian and Ubuntu both name it so. */
const EXECUTABLE = process.env["MOSAIC_CHROMIUM"] ?? "/usr/bin/chromium";

/** The narrowest window that the pages fit. */
export const NARROW_PX = 360;

/** Pixels after which a long list only goes on. */
const HIGHEST_PICTURE = 1_400;

/** Whether Chromium is there. Throws where services are required and it is not. */
export function hasChromium(): boolean {
  const found = existsSync(EXECUTABLE);
  if (!found && process.env["MOSAIC_REQUIRE_SERVICES"] === "1") {
    throw new Error(`Chromium is required and is not at ${EXECUTABLE}: apt-get install chromium`);
  }
  if (!found) {
    console.warn(`SKIPPED: no Chromium at ${EXECUTABLE}, so nothing of the pages was tested: apt-get install chromium`);
  }
  return found;
}

/** Starts Chromium, with nobody's profile. */
export function startChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    // Root has no sandbox there, and a container's /dev/shm is small.
    args: ["--no-sandbox", "--disable-dev-shm-usage"],
  });
}

/** A window, and what went wrong in it unseen: errors of scripts and what the policy of content stopped. */
export interface Window {
  page: Page;
  faults: string[];
}

/** Opens a window at the sign-in of a gateway's pages. */
export async function openWindow(
  browser: Browser,
  gateway: TestGateway,
  options: BrowserContextOptions = {},
): Promise<Window> {
  const context = await browser.newContext({
    viewport: { width: 1_280, height: 800 },
    reducedMotion: "reduce",
    timezoneId: "UTC",
    locale: "en",
    ...options,
  });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("console", (message) => {
    // What the gateway refuses is printed by the browser, too; that is what some of the tests are about.
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource")) {
      faults.push(message.text());
    }
  });
  await page.goto(`${gateway.gateway.homeUrl}/pages/`);
  return { page, faults };
}

/** Signs in by a token. */
async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
}

/** A window in which an administrator of this name is signed in. */
export async function asAdministrator(
  browser: Browser,
  gateway: TestGateway,
  name: string,
  options: BrowserContextOptions = {},
): Promise<Window> {
  const { rows } = await gateway.pool.query<{ token: string }>("select token from federation.add_administrator($1)", [
    name,
  ]);
  const opened = await openWindow(browser, gateway, options);
  await signIn(opened.page, rows[0]?.token ?? "");
  return opened;
}

/** A window in which a local user is signed in. */
export async function asUser(browser: Browser, gateway: TestGateway, user: string): Promise<Window> {
  const opened = await openWindow(browser, gateway);
  await signIn(opened.page, await createToken(gateway.directory, user));
  return opened;
}

/** Goes to a page by its path under /pages, and waits until what it shows is there. */
export async function goTo(page: Page, gateway: TestGateway, path: string): Promise<void> {
  await page.goto(`${gateway.gateway.homeUrl}/pages${path}`);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await settled(page);
}

/** Waits until nothing is being loaded. */
export async function settled(page: Page): Promise<void> {
  await expect.poll(() => page.locator(".skeleton").count(), { timeout: 15_000 }).toBe(0);
}

/** axe finds nothing serious in what is shown, and nothing is wider than the window. */
export async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(
    violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`),
  ).toEqual([]);
  expect(await overflowOf(page), "pixels beyond the window's edge").toBeLessThanOrEqual(0);
}

/** What is shown fits a window as wide as it is and one as narrow as a telephone, or these; without axe, which takes seconds. */
export async function expectFits(page: Page, widths?: readonly number[]): Promise<void> {
  const usual = page.viewportSize() ?? { width: NARROW_PX, height: 800 };
  for (const width of widths ?? [usual.width, NARROW_PX]) {
    await page.setViewportSize({ ...usual, width });
    await expect
      .poll(() => overflowOf(page), { message: `pixels beyond the edge of ${width}`, timeout: 5_000 })
      .toBeLessThanOrEqual(0);
  }
  await page.setViewportSize(usual);
}

function overflowOf(page: Page): Promise<number> {
  return page.evaluate<number>("document.documentElement.scrollWidth - document.documentElement.clientWidth");
}

/** Names and values of what is shown as a list of them. */
export async function shownFacts(place: Locator): Promise<Record<string, string>> {
  const [names, values] = await Promise.all([
    place.getByRole("term").allInnerTexts(),
    place.getByRole("definition").allInnerTexts(),
  ]);
  return Object.fromEntries(names.map((name, index) => [name, values[index] ?? ""]));
}

/** Writes a picture for docs/pages, where pictures are asked for: a usual run leaves the tree as it is. */
export async function picture(page: Page, name: string): Promise<void> {
  if (process.env["MOSAIC_WRITE_PICTURES"] === "1") {
    const { width = 0 } = page.viewportSize() ?? {};
    const height = await page.evaluate<number>("document.documentElement.scrollHeight");
    await page.screenshot({
      path: join("docs", "pages", `${name}.png`),
      fullPage: true,
      clip: { x: 0, y: 0, width, height: Math.min(height, HIGHEST_PICTURE) },
      animations: "disabled",
    });
  }
}
