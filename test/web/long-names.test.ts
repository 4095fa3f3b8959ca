import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addPeer } from "../../src/demo/actors.ts";
import { WORK } from "../../src/demo/world.ts";
import {
  NARROW_PX,
  asAdministrator,
  asUser,
  expectFits,
  goTo,
  hasChromium,
  startChromium,
} from "../harness/chromium.ts";
import { openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";

// As long as each may be or nearly so, and nowhere a place to break a line.
const USER = "somebodywithanamethatdoesnotend".repeat(6);
const TEAM = "teamofmanywhodomanythings".repeat(6);
const PEER = `${"gatewayofanorganisation".repeat(6)}.example`;
const ADMINISTRATOR = "administrator".repeat(7);
const RESOURCE = "everythingthatwaseverwrittendowninthisorganisation";
const OTHER_TABLE = "everythingelsethatwaseverwrittendowninthisorganisationandothers";
const COLUMN = "thecolumnofwhosetherowisbyitsidinthatotherapplicationofours";

/** From a telephone to a usual screen: most tables have room in some of these, and in others none. */
const WIDTHS_PX = Array.from({ length: 47 }, (_, step) => NARROW_PX + step * 20);

describe.skipIf(!hasChromium())("where names are long, on a wide screen, a narrow one and any between", () => {
  let work: TestGateway;
  let browser: Browser;
  let page: Page;
  let faults: string[];
  let active: string;
  let pending: string;

  beforeAll(async () => {
    [work, browser] = await Promise.all([openTestGateway("work.localhost", WORK), startChromium()]);
    await work.pool.query("insert into app.users (id, name, email) values ($1, 'Long', 'long@work.example')", [USER]);
    await work.pool.query("insert into app.teams (id, name) values ($1, 'Long')", [TEAM]);
    await work.pool.query("insert into app.memberships (team_id, user_id) values ($1, $2)", [TEAM, USER]);
    for (const table of [RESOURCE, OTHER_TABLE]) {
      await work.pool.query(
        `create table public.${table} (id uuid primary key default gen_random_uuid(), ${COLUMN} text not null, team_id text)`,
      );
    }
    await work.pool.query("select federation.register_resource($1, $2, $3, 'team_id')", [
      RESOURCE,
      `public.${RESOURCE}`,
      COLUMN,
    ]);
    await work.pool.query(`insert into public.${RESOURCE} (${COLUMN}, team_id) values ($1, $2)`, [USER, TEAM]);
    const made = async (host: string): Promise<{ id: string; url: string }> => {
      const { rows } = await work.pool.query<{ id: string; url: string }>(
        "select grant_id as id, enrollment_url as url from federation.create_grant($1, $2, $3)",
        [USER, host, JSON.stringify({ resources: ["tasks", RESOURCE], include_teams: [TEAM] })],
      );
      return rows[0] ?? { id: "", url: "" };
    };
    // The gateway is a peer of its own.
    const own = await made("work.localhost");
    await addPeer(work.directory, USER, own.url);
    active = own.id;
    pending = (await made(PEER)).id;
    await work.pool.query("select federation.raise_alert('warning', 'CHECK', $1, $2)", [PEER, `Look at ${PEER}.`]);
    ({ page, faults } = await asAdministrator(browser, work, ADMINISTRATOR));
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await work.stop();
  });

  /** Where there is a long name, and what is done there before all of them are in sight. */
  const places: [name: string, path: () => string, act?: () => Promise<void>][] = [
    ["the overview", () => "/"],
    ["the grants", () => "/grants"],
    ["a grant", () => `/grants/${active}`],
    [
      "a grant's one-time URL",
      () => `/grants/${pending}`,
      async () => {
        await page.getByRole("heading", { name: `Grant to ${PEER}` }).waitFor();
        await page.getByRole("button", { name: "New one-time URL…" }).click();
        await page.getByRole("button", { name: "Make it" }).click();
        await page.getByTestId("enrollment-url").waitFor();
      },
    ],
    [
      "the question before a grant is revoked",
      () => `/grants/${pending}`,
      async () => {
        await page.getByRole("button", { name: "Revoke…" }).click();
        await page.getByRole("alertdialog").waitFor();
      },
    ],
    [
      "the difference of a scope",
      () => `/grants/${active}/scope`,
      async () => {
        await page.getByText(TEAM, { exact: true }).click();
        await page.getByRole("button", { name: "Show the difference" }).click();
        await page.getByRole("region", { name: /no longer see/ }).waitFor();
      },
    ],
    [
      "what a peer sees",
      () => `/grants/${pending}/explain`,
      async () => {
        await page.getByRole("button", { name: "Look", exact: true }).click();
        await page.getByRole("region", { name: `${RESOURCE}, for example` }).waitFor();
      },
    ],
    [
      "why a row comes",
      () => `/grants/${active}/explain`,
      async () => {
        await page.getByRole("tab", { name: "Why a row comes or does not" }).click();
        await page.getByRole("button", { name: /Resource/ }).click();
        await page.getByRole("option", { name: RESOURCE }).click();
        await page.getByRole("button", { name: "Explain" }).click();
        await page.getByText(`${RESOURCE}_scope`).waitFor();
      },
    ],
    [
      "the trail of a grant",
      () => `/audit?grantId=${pending}`,
      async () => {
        await page.getByRole("table", { name: "Audit rows" }).getByText(USER).first().waitFor();
        await page.getByText("before and after").first().click();
      },
    ],
    ["the resources", () => "/resources"],
    [
      "a table to register",
      () => "/resources/new",
      async () => {
        await page.getByRole("button", { name: /Table/ }).click();
        await page.getByRole("option", { name: new RegExp(OTHER_TABLE) }).click();
        await page.getByRole("button", { name: /Owner/ }).click();
        await page.getByRole("option", { name: new RegExp(COLUMN) }).click();
      },
    ],
    ["the alerts", () => "/alerts"],
    ["the administrators", () => "/administrators"],
  ];

  test.each(places)("nothing is beyond the edge of %s", async (_name, path, act) => {
    await goTo(page, work, path());
    await act?.();
    await expectFits(page, WIDTHS_PX);
    expect(faults).toEqual([]);
  });

  test("nothing is beyond the edge of what a user of such a name sees, their peers among it", async () => {
    const { page: theirs } = await asUser(browser, work, USER);
    await theirs.getByRole("navigation").getByRole("link", { name: "Peers" }).click();
    await theirs.getByRole("region", { name: "work.localhost" }).getByText(USER).first().waitFor();
    await expectFits(theirs, WIDTHS_PX);
    await theirs.context().close();
  });
});
