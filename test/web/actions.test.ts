import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addPeer } from "../../src/demo/actors.ts";
import { HOME, WORK, task } from "../../src/demo/world.ts";
import {
  asAdministrator,
  expectAccessible,
  expectFits,
  goTo,
  hasChromium,
  picture,
  settled,
  startChromium,
} from "../harness/chromium.ts";
import { auditRows, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { readQrCode } from "../harness/qr-code.ts";

describe.skipIf(!hasChromium())("an administrator", () => {
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

  /** What the peer's user gets: OK, or the code of the refusal. */
  async function asked(user: string): Promise<string> {
    const answer = await homeQuery(
      home,
      user,
      `{ list(resource: "tasks", source: "federated:work.localhost") { rows } }`,
    );
    return answer.errors?.[0]?.extensions.code ?? "OK";
  }

  test("makes a grant by choosing; its URL is shown once, as a QR code, too, and enrolls", async () => {
    await goTo(page, work, "/grants/new");
    await page.getByRole("button", { name: "Make the grant" }).click();
    await page.getByText("Choose at least one resource.").waitFor();
    await expectAccessible(page);

    await page.getByLabel("Speaks for").fill("bob");
    await page.getByRole("textbox", { name: "Peer" }).fill("home.localhost");
    await page.getByRole("checkbox", { name: "tasks" }).first().check({ force: true });
    await page.getByRole("checkbox", { name: /Personal rows/ }).check({ force: true });
    await page.getByRole("button", { name: "Make the grant" }).click();
    const shown = page.getByTestId("enrollment-url");
    await shown.waitFor();
    await expectAccessible(page);
    await expectFits(page);
    await picture(page, "new-grant-made");
    const url = (await shown.innerText()).trim();
    expect(url).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/.+#/);
    expect(await readQrCode(page.getByRole("img", { name: "The one-time URL as a QR code" }))).toBe(url);
    expect(page.url()).toBe(`${work.gateway.homeUrl}/pages/grants/new`);

    await page.getByRole("link", { name: "To the grant" }).click();
    await page.getByText("pending").first().waitFor();
    expect(await page.content()).not.toContain(url);
    await page.goBack();
    await settled(page);
    expect(await page.content()).not.toContain(url);

    await addPeer(home.directory, "bob-at-home", url);
    expect(await asked("bob-at-home")).toBe("OK");
  });

  test("is told by the gateway what is wrong with a grant", async () => {
    await goTo(page, work, "/grants/new");
    await page.getByLabel("Speaks for").fill("nobody-here");
    await page.getByRole("textbox", { name: "Peer" }).fill("home.localhost");
    await page.getByRole("checkbox", { name: "tasks" }).first().check({ force: true });
    await page.getByRole("button", { name: "Make the grant" }).click();
    await page.getByRole("alert").locator("code").first().waitFor();
    await page.getByText("There is no such user").waitFor();
  });

  test("finds grants by status and by words", async () => {
    await goTo(page, work, "/grants");
    await page.getByRole("button", { name: /Status/ }).click();
    await page.getByRole("option", { name: "suspended" }).click();
    await page.getByText("No grant is like this.").waitFor();
    await page.getByRole("button", { name: /Status/ }).click();
    await page.getByRole("option", { name: "any" }).click();
    await page.getByLabel("Search").fill("bob");
    await expect
      .poll(() => page.getByRole("table", { name: "Grants" }).getByRole("row").count(), { timeout: 15_000 })
      .toBe(2);
  });

  test("suspends a grant and resumes it, which its peer meets at once", async () => {
    await goTo(page, work, `/grants/${grant.grantId}`);
    await page.getByRole("button", { name: "Suspend" }).click();
    await page.getByRole("button", { name: "Resume" }).waitFor();
    expect(await asked("alice-at-home")).toBe("GRANT_SUSPENDED");
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("button", { name: "Suspend" }).waitFor();
    expect(await asked("alice-at-home")).toBe("OK");
  });

  test("makes another one-time URL", async () => {
    await goTo(page, work, `/grants/${grant.grantId}`);
    await page.getByRole("button", { name: "New one-time URL…" }).click();
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByTestId("enrollment-url").waitFor();
    await page.reload();
    await settled(page);
    expect(await page.getByTestId("enrollment-url").count()).toBe(0);
  });

  test("sees what the peer sees now, and which stage decides of each row", async () => {
    await goTo(page, work, `/grants/${grant.grantId}/explain`);
    await page.getByRole("button", { name: "Look", exact: true }).click();
    const seen = page.getByRole("table", { name: "What the peer sees" });
    await seen.waitFor();
    const tasks = seen.getByRole("row").filter({ hasText: "tasks" });
    expect(await tasks.innerText()).toMatch(/yes/);
    expect(await tasks.getByRole("cell").nth(2).innerText()).toBe("2");
    expect(await page.getByRole("region", { name: "tasks, for example" }).innerText()).toContain("failover");

    await page.getByRole("tab", { name: "Why a row comes or does not" }).click();
    await page.getByRole("radio", { name: "the one with this key" }).check({ force: true });
    const results: [string, string][] = [
      [task(1), "nothing in the way"],
      [task(3), "team"],
      [task(5), "personal"],
      [task(6), "native"],
    ];
    for (const [id, decidedBy] of results) {
      await page.getByLabel("Key of the row").fill(id);
      await page.getByRole("button", { name: "Explain" }).click();
      const row = page.getByRole("table", { name: "Rows, explained" }).getByRole("row").nth(1);
      await expect.poll(() => row.getByRole("cell").first().innerText(), { timeout: 10_000 }).toBe(id);
      expect(await row.getByRole("cell").nth(2).innerText(), id).toBe(decidedBy);
    }
    await page.getByLabel("Key of the row").fill(task(1));
    await page.getByRole("button", { name: "Explain" }).click();
    const explained = page.getByRole("table", { name: "Rows, explained" }).getByRole("row");
    const servedRow = explained.filter({ hasText: task(1) });
    await servedRow.waitFor();
    const headers = await explained.first().getByRole("columnheader").allInnerTexts();
    const cells = await servedRow.getByRole("cell").allInnerTexts();
    expect(Object.fromEntries(headers.map((header, index) => [header, cells[index]]))).toMatchObject({
      Served: "yes",
      "Subject sees it": "✓ yes",
      "Team in scope": "✓ yes",
      "Personal in scope": expect.stringContaining("does not apply") as string,
      "In the first answer": "✓ yes",
    });
    expect(await servedRow.getByRole("listitem").allInnerTexts()).toEqual([
      "✓ yes tasks_read permissive",
      "✓ yes tasks_scope restrictive",
    ]);
    await page.getByRole("radio", { name: "those of a filter" }).check({ force: true });
    await page.getByRole("textbox", { name: "Filter" }).fill('{"nothing": {"eq": 1}}');
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByRole("alert").getByText("BAD_REQUEST").waitFor();
    await page.getByRole("textbox", { name: "Filter" }).fill('{"title": {"eq": "Book a dentist"}}');
    await page.getByRole("button", { name: "Explain" }).click();
    await page.getByRole("cell", { name: task(5) }).waitFor();
    await page.getByRole("button", { name: /Resource/ }).click();
    await page.getByRole("option", { name: "credentials" }).click();
    await page.getByRole("radio", { name: "the first ones" }).check({ force: true });
    await page.getByRole("button", { name: "Explain" }).click();
    await page
      .getByRole("row", { name: /secret/ })
      .getByText("hidden column")
      .waitFor();
  });

  test("follows the trail of a grant, by filters and times, and takes it along", async () => {
    await homeQuery(home, "alice-at-home", `{ list(resource: "notes", source: "federated:work.localhost") { rows } }`);
    await auditRows(work);
    await goTo(page, work, `/grants/${grant.grantId}`);
    await page.getByRole("link", { name: "Its trail" }).click();
    const table = page.getByRole("table", { name: "Audit rows" });
    await table.waitFor();
    expect(await page.getByLabel("Grant's id").inputValue()).toBe(grant.grantId);
    await page.getByRole("button", { name: /Outcome/ }).click();
    await page.getByRole("option", { name: "denied" }).click();
    await page.getByLabel("Code").fill("RESOURCE_DENIED");
    await expect.poll(() => table.getByRole("row").count(), { timeout: 15_000 }).toBe(2);
    expect(await table.getByRole("row").nth(1).innerText()).toContain("notes");
    for (const [format, first] of [
      ["CSV", /grant/i],
      ["NDJSON", /^\{/],
    ] as const) {
      const [download] = await Promise.all([
        page.waitForEvent("download"),
        page.getByRole("link", { name: `Export ${format}`, exact: true }).click(),
      ]);
      const text = readFileSync(await download.path(), "utf8");
      expect(text).toMatch(first);
      expect(text).toContain("RESOURCE_DENIED");
      expect(text).not.toContain("GRANT_SUSPENDED");
    }
    await page.getByLabel("Code").fill("");
    await page.getByRole("button", { name: /Outcome/ }).click();
    await page.getByRole("option", { name: "any" }).click();
    await page.getByLabel("Verb").fill("grant.changed");
    const resumed = table.getByRole("row").filter({ hasText: "ada" }).first();
    const details = resumed.getByRole("group").filter({ hasText: "before and after" });
    await details.waitFor();
    expect(await details.locator("pre").isVisible()).toBe(false);
    await details.getByText("before and after").click();
    expect(JSON.parse(await details.locator("pre").innerText())).toMatchObject({
      before: { status: "suspended" },
      after: { status: "active" },
    });
    await page.getByLabel("Until").fill("2020-01-01T00:00");
    await page.getByText("There is no row like this.").waitFor();
  });

  test("verifies the chains, and sees what was touched", async () => {
    await goTo(page, work, "/audit");
    await page.getByRole("button", { name: "Verify the chains" }).click();
    await page.getByRole("status").getByText("intact", { exact: true }).waitFor();
    await work.pool.query("alter table federation.federation_audit_log disable trigger user");
    await work.pool.query(
      "update federation.federation_audit_log set row_count = row_count + 1 where id = (select max(id) from federation.federation_audit_log where chain = 'admin')",
    );
    await work.pool.query("alter table federation.federation_audit_log enable trigger user");
    await page.getByRole("button", { name: "Verify again" }).click();
    await page.getByRole("status").getByText("not intact").waitFor();
    await page.getByRole("table", { name: "Chains" }).getByText("changed").waitFor();
    await expectAccessible(page);
    await expectFits(page);
    await picture(page, "audit-not-intact");
    await work.pool.query("alter table federation.federation_audit_log disable trigger user");
    await work.pool.query(
      "update federation.federation_audit_log set row_count = row_count - 1 where id = (select max(id) from federation.federation_audit_log where chain = 'admin')",
    );
    await work.pool.query("alter table federation.federation_audit_log enable trigger user");
  });

  test("registers a table by picking it and its columns, and unregisters it unless a live grant names it", async () => {
    await work.pool.query(
      "create table public.contacts (id uuid primary key, name text not null, phone text, owner_id text not null, team_id text, met_at timestamptz)",
    );
    await goTo(page, work, "/resources/new");
    await page.getByRole("button", { name: /Table/ }).click();
    await page.getByRole("option", { name: /public\.contacts/ }).click();
    await page.getByRole("button", { name: "Register it" }).click();
    await page.getByRole("alert").getByText("needs an owner").waitFor();
    for (const [label, column] of [
      [/Owner/, /owner_id/],
      [/Team/, /team_id/],
      [/Time/, /met_at/],
    ] as const) {
      await page.getByRole("button", { name: label }).click();
      await page.getByRole("option", { name: column }).click();
    }
    const text = page.getByRole("group", { name: "Text" });
    await text.getByRole("checkbox", { name: /^name/ }).check({ force: true });
    await page
      .getByRole("group", { name: "Columns that never leave" })
      .getByRole("checkbox", { name: /phone/ })
      .check({ force: true });
    await page.getByRole("button", { name: "Register it" }).click();
    const card = page.getByRole("region", { name: "contacts" });
    await card.waitFor();
    const { rows } = await work.pool.query(
      "select owner_expression, team_expression, text_columns::text, time_column, hidden_columns::text from federation.federation_resources where name = 'contacts'",
    );
    expect(rows).toEqual([
      {
        owner_expression: "owner_id",
        team_expression: "team_id",
        text_columns: "{name}",
        time_column: "met_at",
        hidden_columns: "{phone}",
      },
    ]);

    await card.getByRole("button", { name: "Unregister…" }).click();
    await page.getByRole("button", { name: "Unregister it" }).click();
    await card.waitFor({ state: "detached" });
    await page.getByRole("region", { name: "tasks" }).getByRole("button", { name: "Unregister…" }).click();
    await page.getByRole("button", { name: "Unregister it" }).click();
    await page.getByRole("alert").getByText("CONFLICT").waitFor();
    await page.keyboard.press("Escape");
    expect(await page.getByRole("region", { name: "tasks" }).isVisible()).toBe(true);
  });

  test("renews the certificate of a peer, and removes the peer", async () => {
    const { page: there } = await asAdministrator(browser, home, "hal");
    await goTo(there, home, "/peers");
    const card = there.getByRole("region", { name: "work.localhost" }).filter({ hasText: "alice-at-home" });
    const serial = grant.enrolled.serial;
    expect(await card.innerText()).toContain(serial);
    await card.getByRole("button", { name: "Renew the certificate" }).click();
    await card.getByText("It has another certificate.").waitFor();
    await expect.poll(() => card.innerText(), { timeout: 15_000 }).not.toContain(serial);
    expect(await asked("alice-at-home")).toBe("OK");
    await card.getByRole("button", { name: "Remove…" }).click();
    await expectAccessible(there);
    await there.getByRole("button", { name: "Remove it" }).click();
    await card.waitFor({ state: "detached" });
    expect(await asked("alice-at-home")).not.toBe("OK");
    await there.context().close();
  });

  test("revokes with a reason; it is in the record, under their name, and the peer reads nothing from then on", async () => {
    await goTo(page, work, "/grants");
    await page.getByRole("row").filter({ hasText: "bob" }).getByRole("link").click();
    await page.getByRole("button", { name: "Revoke…" }).click();
    expect(await page.getByRole("button", { name: "Revoke it" }).isDisabled()).toBe(true);
    await page.getByLabel("Reason").fill("the project has ended");
    await page.getByRole("button", { name: "Revoke it" }).click();
    await page.getByText("the project has ended").waitFor();
    expect(await page.getByRole("button", { name: "Revoke…" }).count()).toBe(0);
    expect(await asked("bob-at-home")).not.toBe("OK");
    const { rows } = await work.pool.query<{ actor: string }>(
      "select actor from federation.list_audit(limit_rows => 50) where verb = 'grant.changed' and grant_id = $1 order by id desc limit 1",
      [page.url().split("/").at(-1)],
    );
    expect(rows).toEqual([{ actor: "ada" }]);
  });

  test("is asked to sign in again once they are no administrator any more, and after signing out", async () => {
    const { page: other } = await asAdministrator(browser, work, "gone");
    await goTo(other, work, "/grants");
    await work.pool.query("select federation.remove_administrator('gone')");
    await other.getByRole("heading", { name: "Sign in" }).waitFor();
    expect(await other.getByRole("table").count()).toBe(0);
    await other.context().close();

    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.goBack();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });
});
