import { setTimeout as sleep } from "node:timers/promises";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME, WORK } from "../../src/demo/world.ts";
import { asAdministrator, goTo, hasChromium, settled, shownFacts, startChromium } from "../harness/chromium.ts";
import { createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";

/** Words in tables that go on in another line. One with hyphens may, after one of them. */
function brokenWords(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`[...document.querySelectorAll(".table td")].flatMap((cell) => {
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    const broken = [];
    const isShown = (text) => text.parentElement.closest("pre") === null;
    for (let text = texts.nextNode(); text !== null; text = texts.nextNode()) {
      for (const { 0: word, index } of isShown(text) ? text.data.matchAll(/[^\\s-]+/g) : []) {
        const range = document.createRange();
        range.setStart(text, index);
        range.setEnd(text, index + word.length);
        if (new Set([...range.getClientRects()].map(({ top }) => top)).size > 1) {
          broken.push(word);
        }
      }
    }
    return broken;
  })`);
}

// What is beside the main way of a page: to copy, to change one's mind, and the choices that most people leave as they are.
describe.skipIf(!hasChromium())("an administrator", () => {
  let work: TestGateway;
  let home: TestGateway;
  let grant: TestGrant;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    [work, home, browser] = await Promise.all([
      openTestGateway("work.localhost", WORK),
      openTestGateway("home.localhost", HOME),
      startChromium(),
    ]);
    grant = await enrollGrant(work, home, "alice", "alice-at-home", {
      resources: ["tasks"],
      include_teams: ["platform"],
    });
    ({ page } = await asAdministrator(browser, work, "ada", { permissions: ["clipboard-read", "clipboard-write"] }));
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await Promise.all([work.stop(), home.stop()]);
  });

  const copied = (): Promise<string> => page.evaluate<string>("navigator.clipboard.readText()");
  const dialog = () => page.getByRole("alertdialog");

  /** Answers a question with the button that leaves all as it is. */
  async function cancel(): Promise<void> {
    await dialog().getByRole("button", { name: "Cancel" }).click();
    await dialog().waitFor({ state: "detached" });
  }

  test("copies a one-time URL, or is told to do it by hand where the browser does not", async () => {
    await goTo(page, work, `/grants/${grant.grantId}`);
    await page.getByRole("button", { name: "New one-time URL…" }).click();
    await page.getByRole("button", { name: "Make it" }).click();
    const shown = page.getByTestId("enrollment-url");
    await shown.waitFor();
    await page.getByRole("button", { name: "Copy the URL" }).click();
    await page.getByText("Copied.").waitFor();
    expect(await copied()).toBe((await shown.innerText()).trim());

    await page.evaluate("navigator.clipboard.writeText = () => Promise.reject(new Error('not allowed'))");
    await page.getByRole("button", { name: "Copy the URL" }).click();
    await page.getByText("mark it and copy it by hand").waitFor();
  });

  test("goes from one grant to another, where no URL of the first is shown", async () => {
    const other = await createGrant(work, "bob", { resources: ["tasks"] });
    const open = async (id: string): Promise<void> => {
      await page.locator(`a[href$="/grants/${id}"]`).first().click();
      await page.getByRole("button", { name: "New one-time URL…" }).waitFor();
    };
    await goTo(page, work, "/grants");
    await open(other.grantId);
    await page.getByRole("link", { name: "Grants", exact: true }).first().click();
    await open(grant.grantId);
    await page.getByRole("button", { name: "New one-time URL…" }).click();
    await page.getByRole("button", { name: "Make it" }).click();
    await page.getByTestId("enrollment-url").waitFor();
    await page.evaluate("history.go(-2)");
    await page.waitForURL(`**/grants/${other.grantId}`);
    await settled(page);
    expect(await page.getByTestId("enrollment-url").count()).toBe(0);
  });

  test("cannot leave a question by Escape while its answer is under way", async () => {
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      letGo = resolve;
    });
    await page.route("**/pages/graphql", async (route) => {
      if (route.request().postData()?.includes("CreateEnrollmentUrl") === true) {
        await held;
      }
      await route.continue();
    });
    await goTo(page, work, `/grants/${grant.grantId}`);
    await page.getByRole("button", { name: "New one-time URL…" }).click();
    await page.getByRole("button", { name: "Make it" }).click();
    await page.keyboard.press("Escape");
    expect(await dialog().count()).toBe(1);
    letGo();
    await page.getByTestId("enrollment-url").waitFor();
    expect(await dialog().count()).toBe(0);
    await page.unrouteAll({ behavior: "wait" });
  });

  test("copies the token of another administrator", async () => {
    await goTo(page, work, "/administrators");
    await page.getByLabel("Name").fill("grace");
    await page.getByRole("button", { name: "Add them" }).click();
    const shown = page.getByTestId("administrator-token");
    await shown.waitFor();
    await page.getByRole("button", { name: "Copy the token" }).click();
    await page.getByText("Copied.").waitFor();
    expect(await copied()).toBe((await shown.innerText()).trim());
  });

  test("changes their mind, and all is as it was", async () => {
    const state = async (): Promise<unknown> => {
      const { rows } = await work.pool.query(
        `select
           (select jsonb_agg(array[g.id::text, g.status::text] order by g.id) from federation.list_grants() g) as grants,
           (select jsonb_agg(r.name order by r.name) from federation.list_resources() r) as resources,
           (select jsonb_agg(a.name order by a.name) from federation.list_administrators() a) as administrators`,
      );
      return rows;
    };
    const before = await state();

    await goTo(page, work, `/grants/${grant.grantId}`);
    await page.getByRole("button", { name: "New one-time URL…" }).click();
    await cancel();
    await page.getByRole("button", { name: "Revoke…" }).click();
    await page.getByLabel("Reason").fill("a slip");
    await cancel();
    await goTo(page, work, "/resources");
    await page.getByRole("region", { name: "tasks" }).getByRole("button", { name: "Unregister…" }).click();
    await cancel();
    await goTo(page, work, "/administrators");
    const grace = page.getByRole("row").filter({ hasText: "grace" });
    await grace.getByRole("button", { name: "Remove…" }).click();
    await cancel();

    await goTo(page, work, "/grants/new");
    await page.getByLabel("Speaks for").fill("bob");
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByRole("heading", { name: "Grants", level: 1 }).waitFor();
    await goTo(page, work, "/resources/new");
    await work.pool.query("create table public.left_alone (id uuid primary key, owner_id text)");
    await goTo(page, work, "/resources/new");
    await page.getByRole("button", { name: /Table/ }).click();
    await page.getByRole("option", { name: "public.left_alone", exact: true }).click();
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.getByRole("heading", { name: "Resources", level: 1 }).waitFor();
    expect(await state()).toEqual(before);

    const { page: there } = await asAdministrator(browser, home, "hal");
    await goTo(there, home, "/peers");
    const card = there.getByRole("region", { name: "work.localhost" });
    await card.getByRole("button", { name: "Remove…" }).click();
    await there.getByRole("alertdialog").getByRole("button", { name: "Cancel" }).click();
    await there.getByRole("alertdialog").waitFor({ state: "detached" });
    expect((await home.pool.query("select from federation.list_peers()")).rowCount).toBe(1);
    await there.context().close();
  });

  test("finds one of many teams, leaves a resource out, and has the grant end by itself", async () => {
    await work.pool.query(
      "insert into app.teams (id, name) select 'squad-' || n, 'squad ' || n from generate_series(1, 60) n",
    );
    await work.pool.query(
      "insert into app.memberships (team_id, user_id) select 'squad-' || n, 'bob' from generate_series(1, 60) n",
    );
    await goTo(page, work, "/grants/new");
    await page.getByLabel("Speaks for").fill("bob");
    await page.getByRole("textbox", { name: "Peer" }).fill("other.localhost");
    await page.getByLabel("Ends by itself").fill("2126-01-02T03:04");
    await page.getByRole("group", { name: "Resources" }).getByText("tasks", { exact: true }).click();
    await page.getByRole("group", { name: "Resources" }).getByText("notes", { exact: true }).click();
    await page.getByRole("group", { name: "Left out in any case" }).getByText("notes", { exact: true }).click();
    const teams = page.getByRole("group", { name: "Teams" });
    // The first fifty by name do not reach it.
    expect(await teams.getByText("squad-9", { exact: true }).count()).toBe(0);
    await page.getByLabel("Find teams").fill("squad-9");
    await teams.getByText("squad-9", { exact: true }).click();
    await page.getByLabel("Find teams").fill("");
    await expect.poll(() => teams.getByText("squad-1", { exact: true }).count(), { timeout: 15_000 }).toBe(1);
    // What is chosen stays in sight, whatever is looked for.
    expect(await teams.getByRole("checkbox", { name: "squad-9", exact: true }).isChecked()).toBe(true);
    await page.getByRole("button", { name: "Make the grant" }).click();
    await page.getByTestId("enrollment-url").waitFor();
    const { rows } = await work.pool.query(
      "select scope, expires_at from federation.federation_grants where peer_host = 'other.localhost'",
    );
    expect(rows).toEqual([
      {
        scope: { resources: ["tasks", "notes"], excluded_resources: ["notes"], include_teams: ["squad-9"] },
        expires_at: new Date("2126-01-02T03:04:00Z"),
      },
    ]);
  });

  test("registers a table by another name and another of its keys", async () => {
    await work.pool.query(
      "create table public.desks (id uuid primary key, number int not null unique, owner_id text not null)",
    );
    await goTo(page, work, "/resources/new");
    await page.getByRole("button", { name: /Table/ }).click();
    await page.getByRole("option", { name: /public\.desks/ }).click();
    await page.getByLabel("Name").fill("Desks!");
    await page.getByRole("button", { name: "Register it" }).click();
    await page.getByRole("alert").getByText("lower-case letters").waitFor();
    await page.getByLabel("Name").fill("places");
    await page.getByRole("button", { name: /Key/ }).click();
    await page.getByRole("option", { name: "number" }).click();
    await page.getByRole("button", { name: /Owner/ }).click();
    await page.getByRole("option", { name: /owner_id/ }).click();
    // What is asked anew once it is done comes piece by piece: the tables, of which this is none any more, before who is signed in.
    await page.route("**/pages/session", async (route) => {
      await sleep(1_000);
      await route.continue();
    });
    await page.getByRole("button", { name: "Register it" }).click();
    await page.getByRole("region", { name: "places" }).waitFor();
    await page.unrouteAll({ behavior: "wait" });
    const { rows } = await work.pool.query(
      "select table_id::regclass::text as source_table, key_column from federation.federation_resources where name = 'places'",
    );
    expect(rows).toEqual([{ source_table: "desks", key_column: "number" }]);
  });

  test("is offered a name that a resource may have, and hides only what is still to choose as hidden", async () => {
    await work.pool.query(
      `create table public."9 Weird  Names!" (id uuid primary key, owner_id text not null, said text, kept text, at timestamptz)`,
    );
    await goTo(page, work, "/resources/new");
    await page.getByRole("button", { name: /Table/ }).click();
    await page.getByRole("option", { name: /Weird/ }).click();
    expect(await page.getByRole("textbox", { name: "Name" }).inputValue()).toBe("weird_names");
    await page.getByRole("button", { name: /Owner/ }).click();
    await page.getByRole("option", { name: /owner_id/ }).click();
    const hidden = page.getByRole("group", { name: "Columns that never leave" });
    for (const column of ["said (text)", "kept (text)", "at (timestamp with time zone)"]) {
      await hidden.getByText(column, { exact: true }).click();
    }
    const text = page.getByRole("group", { name: "Text" }).getByText("said (text)", { exact: true });
    await text.click();
    await page.getByRole("button", { name: /Time/ }).click();
    await page.getByRole("option", { name: /^at / }).click();
    // What was chosen for something else meanwhile is forgotten here, not only out of sight.
    await text.click();
    expect(await hidden.getByRole("checkbox", { name: /^said/ }).isChecked()).toBe(false);
    await text.click();
    await page.getByRole("button", { name: "Register it" }).click();
    await page.getByRole("region", { name: "weird_names" }).waitFor();
    const { rows } = await work.pool.query(
      "select text_columns::text, time_column, hidden_columns::text from federation.federation_resources where name = 'weird_names'",
    );
    expect(rows).toEqual([{ text_columns: "{said}", time_column: "at", hidden_columns: "{kept}" }]);
  });

  test("goes elsewhere while a table is registered, and stays there once it is", async () => {
    await work.pool.query("create table public.lamps (id uuid primary key, owner_id text not null)");
    await goTo(page, work, "/resources/new");
    await page.getByRole("button", { name: /Table/ }).click();
    await page.getByRole("option", { name: /public\.lamps/ }).click();
    await page.getByRole("button", { name: /Owner/ }).click();
    await page.getByRole("option", { name: /owner_id/ }).click();
    const isRegistration = (data: string | null): boolean => data?.includes("RegisterResource") === true;
    await page.route("**/pages/graphql", async (route) => {
      if (isRegistration(route.request().postData())) {
        await sleep(1_500);
      }
      await route.continue();
    });
    const answered = page.waitForResponse((answer) => isRegistration(answer.request().postData()));
    await page.getByRole("button", { name: "Register it" }).click();
    await page.getByRole("link", { name: "Grants", exact: true }).click();
    await page.getByRole("heading", { name: "Grants", level: 1 }).waitFor();
    expect((await answered).status()).toBe(200);
    await page.unrouteAll({ behavior: "wait" });
    await settled(page);
    expect(page.url()).toBe(`${work.gateway.homeUrl}/pages/grants`);
  });

  test("looks again at what the peer sees, with as many rows as they want to see", async () => {
    await goTo(page, work, `/grants/${grant.grantId}/explain`);
    await page.getByRole("button", { name: /Rows to show/ }).click();
    await page.getByRole("option", { name: "0", exact: true }).click();
    await page.getByRole("button", { name: "Look", exact: true }).click();
    const tasks = page.getByRole("table", { name: "What the peer sees" }).getByRole("row").filter({ hasText: "tasks" });
    await tasks.waitFor();
    const count = (): Promise<string> => tasks.getByRole("cell").nth(2).innerText();
    expect(await count()).toBe("2");
    expect(await page.getByRole("region", { name: "tasks, for example" }).count()).toBe(0);

    await work.pool.query("update app.tasks set team_id = null where title ~* 'failover'");
    await page.getByRole("button", { name: /Rows to show/ }).click();
    await page.getByRole("option", { name: "20" }).click();
    await page.getByRole("button", { name: "Look again" }).click();
    await expect.poll(count, { timeout: 10_000 }).toBe("1");
    const samples = await page.getByRole("region", { name: "tasks, for example" }).innerText();
    expect(samples).not.toContain("failover");
  });

  test("is told of a grant that serves nothing what it would serve, in the words of the command", async () => {
    const pending = await createGrant(work, "alice", { resources: ["tasks"], include_teams: ["platform"] });
    await goTo(page, work, `/grants/${pending.grantId}/explain`);
    await page.getByRole("tab", { name: "Why a row comes or does not" }).click();
    await page.getByRole("button", { name: "Explain" }).click();
    const stages = page.getByRole("region", { name: "Stages" }).getByRole("listitem");
    await stages.first().waitFor();
    const words = (await stages.allInnerTexts()).map((stage) => stage.replaceAll(/\s+/g, " "));
    expect(words).toEqual([
      "✕ no grant it is pending",
      expect.stringMatching(/^✓ yes subject alice, in .*platform/),
      "— does not apply certificate the grant opens no session",
      "✓ yes resource the scope names tasks",
    ]);
    const table = page.getByRole("table", { name: "Rows, explained" });
    expect((await table.getByRole("columnheader").allInnerTexts())[1]).toBe("Would be served");
    expect(await table.getByText("nothing else in the way").count()).toBeGreaterThan(0);

    await goTo(page, work, `/grants/${grant.grantId}/explain`);
    await page.getByRole("tab", { name: "Why a row comes or does not" }).click();
    await page.getByRole("button", { name: "Explain" }).click();
    await stages.getByText("one is good").waitFor();
    expect((await table.getByRole("columnheader").allInnerTexts())[1]).toBe("Served");
  });

  test("is told what is counted of a peer, and how often its renewal failed", async () => {
    await home.pool.query(
      "update federation.federation_peers set renewal_failures = 1, renewal_failed_at = now(), renewal_failure_code = 'UNAVAILABLE'",
    );
    const { page: there } = await asAdministrator(browser, home, "hera");
    await goTo(there, home, "/peers");
    const card = there.getByRole("region", { name: "work.localhost" });
    expect(await card.innerText()).toContain("Renewal failed once, with UNAVAILABLE");
    expect(await shownFacts(card)).toMatchObject({ Requests: "none through this gateway yet" });
    expect(Object.keys(await shownFacts(card))).not.toContain("Last success");
    await home.pool.query("update federation.federation_peers set renewal_failures = 2");
    await card.getByText("Renewal failed 2 times, last with").waitFor();
    await homeQuery(home, "alice-at-home", `{ list(resource: "tasks", source: "federated:work.localhost") { rows } }`);
    await expect
      .poll(() => shownFacts(card), { timeout: 30_000 })
      .toMatchObject({ Circuit: "closed", "Last failure": "none yet" });
    await there.context().close();
  });

  test("reads no verb, code or name in two pieces in a table, which is one on a usual screen", async () => {
    await work.pool.query("select federation.raise_alert('warning', 'RENEWAL_FAILED', 'work.localhost', 'Renew it.')");
    const { page: theirs } = await asAdministrator(browser, work, "ken");
    for (const path of ["/audit", "/alerts", "/grants", "/"]) {
      await goTo(theirs, work, path);
      const table = theirs.getByRole("table").first();
      for (const width of [1_280, 1_140, 1_024, 840]) {
        await theirs.setViewportSize({ width, height: 800 });
        await expect.poll(() => brokenWords(theirs), { message: `${path} at ${width}`, timeout: 5_000 }).toEqual([]);
        if (width === 1_280) {
          expect(await table.getAttribute("class"), path).toBe("table");
        }
      }
    }
    await work.pool.query("select federation.resolve_alert('RENEWAL_FAILED', 'work.localhost')");
    await theirs.context().close();
  });
});
