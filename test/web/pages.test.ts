import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME, WORK, task } from "../../src/demo/world.ts";
import { appendAt } from "../harness/audit.ts";
import {
  NARROW_PX,
  asAdministrator,
  expectAccessible,
  expectFits,
  goTo,
  hasChromium,
  openWindow,
  picture,
  settled,
  shownFacts,
  startChromium,
} from "../harness/chromium.ts";
import type { Window } from "../harness/chromium.ts";
import { auditRows, createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";

/** A time as the pages show it. */
const shownTime = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium", timeZone: "UTC" });

const LONG = `${"a-department-of-".repeat(7)}an-organisation.example`;

/** Beside one of each in light. */
const PICTURES_MORE = ["overview-dark", "scope-dark", "grants-narrow"];

describe.skipIf(!hasChromium())("each page", () => {
  let work: TestGateway;
  let home: TestGateway;
  let grant: TestGrant;
  let grantOfBob: TestGrant;
  let browser: Browser;

  beforeAll(async () => {
    [work, home, browser] = await Promise.all([
      openTestGateway("work.localhost", WORK),
      openTestGateway("home.localhost", HOME),
      startChromium(),
    ]);
    grant = await enrollGrant(work, home, "alice", "alice-at-home", {
      resources: ["tasks", "credentials"],
      include_teams: ["platform"],
    });
    grantOfBob = await enrollGrant(work, home, "bob", "bob-at-home", { resources: ["tasks"], include_personal: true });
    await work.pool.query("select * from federation.create_grant('carol', $1, $2)", [
      LONG,
      JSON.stringify({ resources: ["notes"], include_teams: "*" }),
    ]);
    const { grantId } = await createGrant(work, "carol", { resources: ["notes"] });
    await work.pool.query("select federation.revoke_grant($1, 'made by mistake')", [grantId]);
    await work.pool.query(
      "select federation.raise_alert('warning', 'CHECK', 'work.localhost', 'Something that an administrator should look at.')",
    );
    await work.pool.query(
      "create table public.contacts (id uuid primary key, name text not null, owner_id text not null, team_id text, met_at timestamptz)",
    );
    for (const resource of ["tasks", "notes", "tasks"]) {
      await homeQuery(
        home,
        "alice-at-home",
        `{ list(resource: "${resource}", source: "federated:work.localhost") { rows } }`,
      );
    }
    await homeQuery(
      home,
      "bob-at-home",
      `{ get(resource: "tasks", id: "${task(6)}", source: "federated:work.localhost") { rows } }`,
    );
  }, 180_000);
  afterAll(async () => {
    await browser.close();
    await Promise.all([work.stop(), home.stop()]);
  });

  /** What there is to see: whose pages, where, what is done there first. */
  const sights: [name: string, open: (window: Window) => Promise<void>][] = [
    ["overview", ({ page }) => goTo(page, work, "/")],
    ["grants", ({ page }) => goTo(page, work, "/grants")],
    ["grant", ({ page }) => goTo(page, work, `/grants/${grant.grantId}`)],
    [
      "revoke",
      async ({ page }) => {
        await goTo(page, work, `/grants/${grant.grantId}`);
        await page.getByRole("button", { name: "Revoke…" }).click();
        await page.getByRole("alertdialog").waitFor();
      },
    ],
    ["new-grant", ({ page }) => goTo(page, work, "/grants/new")],
    [
      "scope",
      async ({ page }) => {
        await goTo(page, work, `/grants/${grant.grantId}/scope`);
        await page.getByText("Personal rows, those of no team").click();
        await page.getByRole("button", { name: "Show the difference" }).click();
        await page.getByRole("button", { name: "Widen the grant…" }).waitFor();
      },
    ],
    [
      "scope-json",
      async ({ page }) => {
        await goTo(page, work, `/grants/${grant.grantId}/scope`);
        await page.getByRole("tab", { name: "JSON" }).click();
        await page.getByLabel("The scope as JSON").fill('{"resources": ["tasks"], "team": "platform"}');
      },
    ],
    [
      "visible",
      async ({ page }) => {
        await goTo(page, work, `/grants/${grant.grantId}/explain`);
        await page.getByRole("button", { name: "Look", exact: true }).click();
        await page.getByRole("table", { name: "What the peer sees" }).waitFor();
      },
    ],
    [
      "explain",
      async ({ page }) => {
        await goTo(page, work, `/grants/${grant.grantId}/explain`);
        await page.getByRole("tab", { name: "Why a row comes or does not" }).click();
        await page.getByText("the one with this key").click();
        await page.getByLabel("Key of the row").fill(task(3));
        await page.getByRole("button", { name: "Explain" }).click();
        await page.getByRole("table", { name: "Rows, explained" }).waitFor();
      },
    ],
    [
      "audit",
      async ({ page }) => {
        await goTo(page, work, "/audit");
        await page.getByRole("button", { name: "Verify the chains" }).click();
        await page.getByText("Verify again").waitFor();
        await settled(page);
      },
    ],
    ["resources", ({ page }) => goTo(page, work, "/resources")],
    [
      "new-resource",
      async ({ page }) => {
        await goTo(page, work, "/resources/new");
        await page.getByRole("button", { name: /Table/ }).click();
        await page.getByRole("option", { name: /public\.contacts/ }).click();
        await page.getByRole("button", { name: "Register it" }).waitFor();
      },
    ],
    ["alerts", ({ page }) => goTo(page, work, "/alerts")],
    ["administrators", ({ page }) => goTo(page, work, "/administrators")],
    ["nothing", ({ page }) => goTo(page, work, "/there-is-no-such-page")],
  ];

  for (const [colorScheme, width] of [
    ["light", 1_280],
    ["dark", 1_280],
    ["light", NARROW_PX],
  ] as const) {
    describe(`in ${colorScheme}, ${width} pixels wide`, () => {
      let opened: Window;
      beforeAll(async () => {
        opened = await asAdministrator(browser, work, `Ada-${colorScheme}-${width}`, {
          colorScheme,
          viewport: { width, height: 800 },
        });
      });
      afterAll(() => opened.page.context().close());

      test.each(sights)("%s holds to what axe asks for, fits, and breaks nothing", async (name, open) => {
        await open(opened);
        await expectAccessible(opened.page);
        const kind = colorScheme === "dark" ? "-dark" : width < 600 ? "-narrow" : "";
        if (kind === "" || PICTURES_MORE.includes(`${name}${kind}`)) {
          await picture(opened.page, `${name}${kind}`);
        }
        expect(opened.faults).toEqual([]);
      });
    });
  }

  test("peers is there with the circuit, the last success and the certificate of each", async () => {
    // A gateway writes down every few seconds how its peers do.
    const lastSuccess = async (user: string): Promise<string | undefined> => {
      const { rows } = await home.pool.query<{ at: Date }>(
        `select h.last_success_at as at from federation.list_peers() p join federation.peer_health() h on h.peer_id = p.id
         where p.owner_user_id = $1 and h.last_success_at is not null`,
        [user],
      );
      return rows[0] === undefined ? undefined : shownTime.format(rows[0].at);
    };
    for (const colorScheme of ["dark", "light"] as const) {
      const { page, faults } = await asAdministrator(browser, home, `Hal-${colorScheme}`, { colorScheme });
      await goTo(page, home, "/peers");
      for (const [user, { enrolled }] of [
        ["alice-at-home", grant],
        ["bob-at-home", grantOfBob],
      ] as const) {
        const card = page.getByRole("region", { name: "work.localhost" }).filter({ hasText: user });
        const isShown = async (): Promise<boolean> => {
          const at = await lastSuccess(user);
          return at !== undefined && (await shownFacts(card))["Last success"]?.includes(at) === true;
        };
        await expect.poll(isShown, { timeout: 30_000 }).toBe(true);
        expect(await shownFacts(card), user).toMatchObject({
          "Read by": user,
          Circuit: "closed",
          "Certificate until": expect.stringContaining(shownTime.format(enrolled.notAfter)) as string,
          Serial: enrolled.serial,
          "Its grant": enrolled.grantId,
        });
      }
      await expectAccessible(page);
      await expectFits(page);
      await picture(page, "peers");
      expect(faults).toEqual([]);
      await page.context().close();
    }
  });

  test("overview counts grants, peers, requests and refusals, and its chart says in words what it shows", async () => {
    const { page } = await asAdministrator(browser, work, "Olga");
    const requests = async (): Promise<{ figures: Record<string, string>; numbers: number[] }> => {
      const figures = await shownFacts(page.getByRole("main"));
      const texts = [
        figures["Requests of the last day"] ?? "",
        await page.getByRole("figure").innerText(),
        await page.getByRole("listitem").filter({ hasText: "RESOURCE_DENIED" }).innerText(),
      ];
      return { figures, numbers: [...texts.join(" ").matchAll(/\d+/g)].map(([digits]) => Number(digits)) };
    };
    // Until no row comes any more.
    for (let [before, now] = [-1, 0]; before !== now;) {
      [before, now] = [now, (await auditRows(work)).length];
    }
    await goTo(page, work, "/");
    await page.getByRole("figure").waitFor();
    const { figures, numbers } = await requests();
    expect(figures["Grants in force"]).toMatch(/^2\s+1 pending, 1 revoked$/);
    expect(figures["Peers"]).toMatch(/^0\s+no other$/);
    expect(figures["Requests of the last day"]).toMatch(/^\d+\s+\d+ refused, 0 not recorded$/);
    const [ofDay = 0, refusedOfDay = 0, , served = 0, refused = 0, , denied = 0] = numbers;

    // Forty in one minute of the last hour, two served and one refused now, and one of yesterday.
    const minute = Math.floor(Date.now() / 60_000) * 60_000 - 30 * 60_000;
    await appendAt(
      work.pool,
      Array.from({ length: 40 }, () => ({ at: new Date(minute).toISOString() })),
      "requests-3",
    );
    await appendAt(work.pool, [{ at: new Date(minute - 25 * 3_600_000).toISOString() }], "requests-3");
    for (const query of [`get(resource: "tasks", id: "${task(1)}"`, `get(resource: "tasks", id: "${task(2)}"`]) {
      await homeQuery(home, "alice-at-home", `{ ${query}, source: "federated:work.localhost") { rows } }`);
    }
    await homeQuery(
      home,
      "alice-at-home",
      `{ get(resource: "notes", id: "${task(1)}", source: "federated:work.localhost") { rows } }`,
    );
    await auditRows(work);
    await expect
      .poll(async () => (await requests()).numbers, { timeout: 20_000 })
      .toEqual([ofDay + 43, refusedOfDay + 1, 0, served + 42, refused + 1, 40, denied + 1]);
    expect(await page.getByRole("figure").innerText()).toContain(
      `In the last hour ${served + 42} served and ${refused + 1} refused; at most 40 served in one minute.`,
    );
    await page.context().close();

    const { page: there } = await asAdministrator(browser, home, "Hugo");
    await there.getByRole("definition").first().waitFor();
    expect((await shownFacts(there.getByRole("main")))["Peers"]).toMatch(/^2\s+no other$/);
    await there.context().close();
  });

  test("is behind the sign-in, which says when a token is nobody's, by its code", async () => {
    for (const colorScheme of ["dark", "light"] as const) {
      const { page, faults } = await openWindow(browser, work, { colorScheme });
      await goTo(page, work, `/grants/${grant.grantId}`);
      expect(await page.getByRole("heading", { level: 1 }).innerText()).toBe("Sign in");
      await expectAccessible(page);
      await expectFits(page);
      await picture(page, "sign-in");
      await page.getByLabel("Token").fill("mosaic_admin_of_nobody");
      await page.keyboard.press("Enter");
      expect(await page.getByRole("alert").innerText()).toContain("UNAUTHENTICATED");
      await expectAccessible(page);
      await expectFits(page);
      expect(faults).toEqual([]);
      await page.context().close();
    }
  });

  test("shows lines where something will be, what failed with a way to try again, and then what came", async () => {
    const { page } = await asAdministrator(browser, work, "Eve");
    let refuse = true;
    await page.route("**/pages/graphql", async (route) => {
      await new Promise((resolve) => setTimeout(resolve, 400));
      await (refuse ? route.abort() : route.continue());
    });
    await page.getByRole("link", { name: "Grants" }).click();
    await page.getByRole("status", { name: "Loading" }).waitFor();
    await page.getByRole("alert").getByText("NETWORK").waitFor();
    refuse = false;
    await page.getByRole("button", { name: "Try again" }).click();
    const table = page.getByRole("table", { name: "Grants" });
    await table.waitFor();
    // What was there stays beside a later failure, and the failure goes by itself.
    refuse = true;
    await page.getByRole("alert").getByText("NETWORK").waitFor();
    expect(await table.isVisible()).toBe(true);
    await expectAccessible(page);
    refuse = false;
    await page.getByRole("alert").waitFor({ state: "detached" });
    await page.getByLabel("Search").fill("nobody has such a grant");
    await page.getByText("No grant is like this.").waitFor();
    await page.context().close();
  });

  test("shows what changed meanwhile, by itself", async () => {
    const { page } = await asAdministrator(browser, work, "Ivy");
    await goTo(page, work, "/alerts");
    await work.pool.query("select federation.raise_alert('critical', 'LATER', 'bus', 'It came up meanwhile.')");
    await page.getByText("It came up meanwhile.").waitFor();
    await work.pool.query("select federation.resolve_alert('LATER', 'bus')");
    await page.getByText("It came up meanwhile.").waitFor({ state: "detached" });
    await page.getByText("with those that are over").click();
    await page.getByText("It came up meanwhile.").waitFor();
    await page.context().close();
  });

  test("is sent under a policy that takes no inline script, and with nothing of other hosts", async () => {
    const { page } = await openWindow(browser, work);
    const asked: string[] = [];
    page.on("request", (request) => asked.push(new URL(request.url()).origin));
    const response = await page.goto(`${work.gateway.homeUrl}/pages/`);
    const policy = response?.headers()["content-security-policy"] ?? "";
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain("unsafe");
    expect(
      await page.evaluate(`(() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = true";
      document.body.append(script);
      return window.ran === true;
    })()`),
    ).toBe(false);
    expect([...new Set(asked)]).toEqual([new URL(work.gateway.homeUrl).origin]);
    await page.context().close();
  });
});
