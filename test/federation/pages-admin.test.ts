import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { HOME } from "../../src/demo/world.ts";
import { openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";
import type { MosaicRun } from "../harness/mosaic.ts";
import { ask, browser, signInByToken } from "../harness/pages.ts";

let home: TestGateway;

beforeAll(async () => {
  home = await openTestGateway("home.localhost", HOME, { pages: { url: "https://mosaic.example" } });
}, 120_000);
afterAll(() => home.stop());

const admin = (...args: string[]): Promise<MosaicRun> =>
  runMosaic(["admin", ...args, "--dir", home.directory, "--json"]);

describe("mosaic admin", () => {
  test("adds an administrator whose token signs in, lists them without it, and removes them, which ends their session", async () => {
    const added = JSON.parse((await admin("add", "ada")).stdout) as { token: string; pagesUrl: string };
    expect(added.pagesUrl).toBe("https://mosaic.example/pages/");
    const ada = await signInByToken(home, added.token);
    expect((await ask(ada, "{ me { name } }")).data).toEqual({ me: { name: "ada" } });
    const listed = await admin("list");
    expect(JSON.parse(listed.stdout)).toMatchObject([{ name: "ada", has_token: true }]);
    expect(listed.stdout).not.toContain(added.token);
    expect((await admin("remove", "ada")).code).toBe(0);
    expect((await ask(ada, "{ me { name } }")).code).toBe("UNAUTHENTICATED");
    expect(JSON.parse((await admin("list")).stdout)).toEqual([]);
  }, 120_000);

  test("ends the sessions of a name, whose token stays one", async () => {
    const { token } = JSON.parse((await admin("add", "iris")).stdout) as { token: string };
    const iris = await signInByToken(home, token);
    const ended = await admin("end-sessions", "iris");
    expect(JSON.parse(ended.stdout)).toEqual({ name: "iris", ended: 1 });
    expect(await ask(iris, "{ me { name } }")).toMatchObject({ status: 401, code: "UNAUTHENTICATED" });
    expect((await admin("end-sessions", "iris")).code).toBe(66);
    expect((await ask(await signInByToken(home, token), "{ me { name } }")).data).toEqual({ me: { name: "iris" } });
  }, 120_000);

  test("refuses a name that is taken or malformed, one that is not there, and a subject of no provider", async () => {
    await admin("add", "grace");
    const codes = [];
    for (const args of [
      ["add", "grace"],
      ["add", "a name"],
      ["remove", "nobody"],
      ["add", "eve", "--oidc-subject", "x"],
    ]) {
      codes.push((await admin(...args)).code);
    }
    expect(codes).toEqual([65, 65, 66, 78]);
  }, 120_000);
});

describe("behind a proxy that speaks TLS", () => {
  test("the cookie is one that no other host and no connection without TLS can set, and the origin is the proxy's", async () => {
    const { token } = JSON.parse((await admin("add", "hera")).stdout) as { token: string };
    const fresh = browser(home);
    const proxied = { host: "mosaic.example", origin: "https://mosaic.example" };
    const answer = await fresh.post("/pages/sign-in", { token }, proxied);
    expect(answer.status).toBe(200);
    expect(answer.cookies[0]).toMatch(/^__Host-mosaic-session=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
    expect((await ask(fresh, "{ me { name } }", {}, proxied)).data).toEqual({ me: { name: "hera" } });
    for (const origin of ["http://mosaic.example", home.gateway.homeUrl]) {
      expect((await ask(fresh, "{ me { name } }", {}, { ...proxied, origin })).code).toBe("ORIGIN_REFUSED");
    }
    expect((await fresh.get("/pages/session", { host: "other.example" })).code).toBe("BAD_REQUEST");
  }, 120_000);
});
