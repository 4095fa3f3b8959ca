import type { Browser, Locator, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openSigner } from "../../src/demo/actors.ts";
import { WORK } from "../../src/demo/world.ts";
import { hasChromium, openWindow, settled, startChromium } from "../harness/chromium.ts";
import { openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { recordGrant } from "../harness/record-grant.ts";

/** More stops than any page has. */
const MOST_STOPS = 80;

describe.skipIf(!hasChromium())("by the keyboard alone", () => {
  let work: TestGateway;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    [work, browser] = await Promise.all([openTestGateway("work.localhost", WORK), startChromium()]);
  }, 180_000);
  beforeEach(async () => {
    ({ page } = await openWindow(browser, work));
  });
  afterEach(() => page.context().close());
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

  /** Opens the list of a choice and takes one of it, by its first letters. */
  async function choose(target: Locator, letters: string, chosen: RegExp): Promise<void> {
    await reach(target);
    await page.keyboard.press("Enter");
    await page.getByRole("listbox").waitFor();
    const option = page.getByRole("option", { name: chosen });
    const typed = async (): Promise<boolean> => {
      await page.keyboard.type(letters);
      return hasFocus(option);
    };
    // Letters may come before the list has the keyboard; after a second without any, the next ones are the first again.
    await expect.poll(typed, { timeout: 20_000, interval: 1_500 }).toBe(true);
    await page.keyboard.press("Enter");
    await page.getByRole("listbox").waitFor({ state: "detached" });
    // The keyboard goes on where the list was opened.
    await expect.poll(() => hasFocus(target), { timeout: 10_000 }).toBe(true);
  }

  async function signIn(name: string): Promise<void> {
    const { rows } = await work.pool.query<{ token: string }>("select token from federation.add_administrator($1)", [
      name,
    ]);
    await reach(page.getByLabel("Token"));
    await page.keyboard.type(rows[0]?.token ?? "");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  }

  /** Goes to a section by its link at the side. */
  async function visit(section: string): Promise<void> {
    await reach(page.getByRole("navigation").getByRole("link", { name: section, exact: true }));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: section, level: 1 }).waitFor();
    await settled(page);
  }

  test("one signs in, makes a grant, edits its scope, revokes it and signs out", async () => {
    await signIn("kay");

    // After a sign-in and after each change of page, the keyboard goes on at the heading.
    await expect.poll(() => hasFocus(page.getByRole("heading", { name: "Overview" }))).toBe(true);
    // Of a page that was loaded, the first stop leads past the sections.
    await page.reload();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await settled(page);
    await page.keyboard.press("Tab");
    expect(await hasFocus(page.getByRole("link", { name: "Skip to the page" }))).toBe(true);
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
    expect(await page.evaluate("document.activeElement.textContent")).toBe("The grant is made");
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
    await expect.poll(() => hasFocus(widen), { timeout: 15_000 }).toBe(true);
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

  test("one registers a table, suspends a grant and resumes it, narrows the log and verifies it", async () => {
    await work.pool.query(
      "create table public.contacts (id uuid primary key, name text not null, owner_id text not null, team_id text, met_at timestamptz)",
    );
    const signer = await openSigner(work.directory);
    await recordGrant(work.pool, signer, "alice", { resources: ["tasks"], include_teams: ["platform"] });
    await signIn("kim");

    await visit("Resources");
    await reach(page.getByRole("link", { name: "Register a table" }));
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Register a table" }).waitFor();
    await settled(page);
    await choose(page.getByRole("button", { name: /Table/ }), "public.con", /public\.contacts/);
    await choose(page.getByRole("button", { name: /Owner/ }), "owner", /owner_id/);
    await choose(page.getByRole("button", { name: /Team/ }), "team", /team_id/);
    await choose(page.getByRole("button", { name: /Time/ }), "met", /met_at/);
    await reach(page.getByRole("group", { name: "Text" }).getByRole("checkbox", { name: /^name/ }));
    await page.keyboard.press("Space");
    await reach(page.getByRole("button", { name: "Register it" }));
    await page.keyboard.press("Enter");
    await page.getByRole("region", { name: "contacts" }).waitFor();
    const { rows } = await work.pool.query(
      "select owner_expression, team_expression, text_columns::text, time_column from federation.federation_resources where name = 'contacts'",
    );
    expect(rows).toEqual([
      { owner_expression: "owner_id", team_expression: "team_id", text_columns: "{name}", time_column: "met_at" },
    ]);

    await visit("Grants");
    await reach(page.getByRole("row").filter({ hasText: "active" }).getByRole("link"));
    await page.keyboard.press("Enter");
    const suspend = page.getByRole("button", { name: "Suspend" });
    await suspend.waitFor();
    await reach(suspend);
    await page.keyboard.press("Enter");
    const resume = page.getByRole("button", { name: "Resume" });
    await resume.waitFor();
    await reach(resume);
    await page.keyboard.press("Enter");
    await suspend.waitFor();

    await visit("Audit");
    const table = page.getByRole("table", { name: "Audit rows" });
    await reach(page.getByLabel("Verb"));
    await page.keyboard.type("grant.changed");
    await page.keyboard.press("Escape");
    // Resumed, suspended; activated by its enrollment; and what the grant of before went through.
    const changes = table.getByRole("row").filter({ hasText: "grant.changed" });
    const all = (): Promise<number> => table.getByRole("row").count();
    await expect.poll(async () => (await all()) - (await changes.count()), { timeout: 15_000 }).toBe(1);
    expect(await changes.filter({ hasText: "kim" }).count()).toBe(2);
    await choose(page.getByRole("button", { name: /Outcome/ }), "den", /denied/);
    await page.getByText("There is no row like this.").waitFor();

    await reach(page.getByRole("button", { name: "Verify the chains" }));
    await page.keyboard.press("Enter");
    await page.getByRole("status").getByText("intact", { exact: true }).waitFor();
  });
});
