import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME, WORK, task } from "../../src/demo/world.ts";
import { asAdministrator, expectAccessible, goTo, hasChromium, startChromium } from "../harness/chromium.ts";
import { auditRows, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";

describe.skipIf(!hasChromium())("the scope editor", () => {
  let work: TestGateway;
  let home: TestGateway;
  let grant: TestGrant;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    [work, home, browser] = await Promise.all([
      openTestGateway("work.localhost", WORK),
      openTestGateway("home.localhost", HOME, { cache: { ttlSeconds: 0 } }),
      startChromium(),
    ]);
    grant = await enrollGrant(work, home, "alice", "alice-at-home", {
      resources: ["tasks"],
      include_teams: ["platform"],
    });
    ({ page } = await asAdministrator(browser, work, "ada"));
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await Promise.all([work.stop(), home.stop()]);
  });

  /** The ids of the tasks that the peer's user is served. */
  async function listed(): Promise<string[]> {
    const { data } = await homeQuery(
      home,
      "alice-at-home",
      `{ list(resource: "tasks", first: 50, source: "federated:work.localhost") { rows } }`,
    );
    return (data as { list: { rows: { id: string }[] } }).list.rows.map(({ id }) => id).sort();
  }

  const editor = () => goTo(page, work, `/grants/${grant.grantId}/scope`);
  const difference = async (button = "Show the difference"): Promise<string[][]> => {
    await page.getByRole("button", { name: button }).click();
    const table = page.getByRole("table", { name: "Rows gained and lost" });
    await table.waitFor();
    const rows = await table.getByRole("row").all();
    return Promise.all(rows.slice(1).map((row) => row.getByRole("cell").allInnerTexts()));
  };

  test("shows what a grant would let out before it is made, and makes none by that", async () => {
    const grants = async (): Promise<unknown> =>
      (await work.pool.query("select id from federation.list_grants()")).rows;
    const before = await grants();
    await goTo(page, work, "/grants/new");
    const show = page.getByRole("button", { name: "Show what it lets out" });
    expect(await show.isDisabled()).toBe(true);
    await page.getByLabel("Speaks for").fill("alice");
    await page.getByRole("textbox", { name: "Peer" }).fill("home.localhost");
    await page.getByRole("checkbox", { name: "tasks" }).first().check({ force: true });
    await page.getByText("platform", { exact: true }).click();
    const rows = await difference("Show what it lets out");
    const tasks = rows.find(([resource]) => resource === "tasks");
    // There is no scope before it, and nothing to lose.
    const table = page.getByRole("table", { name: "Rows gained and lost" });
    expect(await table.getByRole("columnheader").allInnerTexts()).toEqual(["Resource", "After", "Gains"]);
    expect(tasks?.map((cell) => cell.trim())).toEqual(["tasks", "2 rows", "+2"]);
    const examples = page.getByRole("region", { name: "tasks: rows that home.localhost would see, for example" });
    expect(await examples.innerText()).toContain("TLS certificate");
    await expectAccessible(page);

    await page.getByText("Personal rows, those of no team").click();
    expect(await examples.count()).toBe(0);
    await page.getByLabel("Speaks for").fill("nobody-here");
    await show.click();
    await page.getByRole("alert").getByText("SUBJECT_UNKNOWN").waitFor();
    expect(await grants()).toEqual(before);
  });

  test("5. scope editor round trip: edit, save, the peer's next request uses it; it widens only after it was confirmed", async () => {
    expect(await listed()).toEqual([task(1), task(2)]);
    await editor();
    await page.getByText("Personal rows, those of no team").click();
    const rows = await difference();
    const tasks = rows.find(([resource]) => resource === "tasks");
    expect(tasks?.map((cell) => cell.trim())).toEqual(["tasks", "2 rows", "3 rows", "+1", "none"]);
    expect(await page.getByRole("region", { name: /would see/ }).innerText()).toContain("Book a dentist");
    expect(await page.getByRole("button", { name: "Save", exact: true }).count()).toBe(0);

    await page.getByRole("button", { name: "Widen the grant…" }).click();
    await expectAccessible(page);
    await page.getByRole("button", { name: "Cancel" }).click();
    expect(await listed()).toEqual([task(1), task(2)]);

    await page.getByRole("button", { name: "Widen the grant…" }).click();
    await page.getByRole("button", { name: "Widen it" }).click();
    await page.getByRole("heading", { name: "Grant to home.localhost" }).waitFor();
    expect(await listed()).toEqual([task(1), task(2), task(5)]);
  });

  test("narrows at once, without a question", async () => {
    await editor();
    await page.getByText("platform", { exact: true }).click();
    const rows = await difference();
    expect(rows.find(([resource]) => resource === "tasks")?.map((cell) => cell.trim())).toEqual([
      "tasks",
      "3 rows",
      "1 row",
      "none",
      "−2",
    ]);
    expect(await page.getByRole("region", { name: /no longer see/ }).innerText()).toContain("TLS certificate");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await page.getByRole("heading", { name: "Grant to home.localhost" }).waitFor();
    expect(await listed()).toEqual([task(5)]);
  });

  test("says at the resources that one has to be chosen", async () => {
    await editor();
    const resources = page.getByRole("group", { name: "Resources", exact: true });
    const missing = resources.getByRole("alert").getByText("Choose at least one resource.");
    expect(await missing.count()).toBe(0);
    await resources.getByText("tasks", { exact: true }).click();
    await missing.waitFor();
    const ids = (await resources.getAttribute("aria-describedby"))?.split(" ") ?? [];
    const described = await Promise.all(ids.map((id) => page.locator(`[id="${id}"]`).innerText()));
    expect(described).toContain("Choose at least one resource.");
    expect(await resources.getByRole("checkbox", { name: "tasks" }).getAttribute("aria-invalid")).toBe("true");
    await expectAccessible(page);
    await resources.getByText("tasks", { exact: true }).click();
    await missing.waitFor({ state: "detached" });
  });

  test("is JSON, too, both ways, and says what is wrong with it", async () => {
    await editor();
    await page.getByRole("tab", { name: "JSON" }).click();
    const json = page.getByLabel("The scope as JSON");
    expect(JSON.parse(await json.inputValue())).toEqual({ resources: ["tasks"], include_personal: true });
    const show = page.getByRole("button", { name: "Show the difference" });
    for (const wrong of [
      "{",
      "[]",
      "{}",
      '{"resources": []}',
      '{"resources": ["tasks"], "teams": []}',
      '{"resources": ["tasks"], "include_teams": "platform"}',
      '{"resources": ["tasks"], "max_rows_per_query": 10001}',
    ]) {
      await json.fill(wrong);
      expect(await json.getAttribute("aria-invalid"), wrong).toBe("true");
      expect(await show.isDisabled(), wrong).toBe(true);
    }
    // What only the gateway can know it says, with its code.
    await json.fill('{"resources": ["no_such_resource"]}');
    await show.click();
    await page.getByRole("alert").getByText("SCOPE_INVALID").waitFor();

    await json.fill('{"resources": ["tasks", "notes"], "include_teams": "*", "max_rows_per_query": 7}');
    await page.getByRole("tab", { name: "Choose" }).click();
    expect(await page.getByLabel("Most rows in one answer").inputValue()).toBe("7");
    expect(await page.getByRole("radio", { name: /every team/ }).isChecked()).toBe(true);
    expect(await page.getByRole("checkbox", { name: "notes" }).first().isChecked()).toBe(true);
    await page.getByLabel("Most rows in one answer").fill("0");
    expect(await show.isDisabled()).toBe(true);
    await page.getByLabel("Most rows in one answer").fill("8");
    await page.getByRole("tab", { name: "JSON" }).click();
    expect(JSON.parse(await json.inputValue())).toEqual({
      resources: ["tasks", "notes"],
      include_teams: "*",
      max_rows_per_query: 8,
    });
    expect(await listed()).toEqual([task(5)]);
  });

  test("gives up what is counted for a draft that is changed meanwhile, in the database, too", async () => {
    const counting = async (): Promise<number | null> =>
      (
        await work.pool.query(
          "select from pg_stat_activity where datname = current_database() and state = 'active' and query like '%preview_scope%' and pid <> pg_backend_pid()",
        )
      ).rowCount;
    await work.pool.query(
      `create function app.slowly() returns boolean language sql volatile as 'select pg_sleep(60) is not null';
       grant usage on schema app to federation_peer; grant execute on function app.slowly() to federation_peer;
       create policy slowly on app.tasks as restrictive for select to federation_peer using ((select app.slowly()))`,
    );
    try {
      await editor();
      const show = page.getByRole("button", { name: "Show the difference" });
      await show.click();
      await expect.poll(counting, { timeout: 15_000 }).toBe(1);
      await page.getByLabel("Most rows in one answer").fill("9");
      await expect.poll(counting, { timeout: 15_000 }).toBe(0);
      expect(await show.isEnabled()).toBe(true);
      expect(await page.getByRole("alert").count()).toBe(0);
    } finally {
      await work.pool.query("drop policy slowly on app.tasks; drop function app.slowly()");
    }
  });

  test("leaves in the audit log who looked at the difference and who saved", async () => {
    await auditRows(work, grant.grantId);
    const { rows } = await work.pool.query<{ verb: string }>(
      "select distinct verb from federation.list_audit($1, 1000) where actor = 'ada' order by verb",
      [grant.grantId],
    );
    expect(rows.map(({ verb }) => verb)).toEqual(["grant.changed", "grant.previewed"]);
  });
});
