import type { Client } from "undici";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { freshGrant } from "../acceptance/arrange.ts";
import { WORK } from "../acceptance/employees.ts";
import { connectAs, say, sayOn, speakerOf } from "../acceptance/wire.ts";
import type { Said } from "../acceptance/wire.ts";
import { auditRows, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";

const CAPABILITIES: Said = { body: { documentId: "capabilities" } };
/** Connections of one grant. */
const MOST = 500;
/** Longer than any list of revoked certificates is good for, ms. */
const LATER_MS = 3 * 86_400_000;

let strict: TestGateway;
let lenient: TestGateway;
beforeAll(async () => {
  strict = await openTestGateway("work.localhost", WORK);
  lenient = await openTestGateway("work.localhost", WORK, { crl: { whenStale: "allow" } });
});
afterEach(() => {
  vi.restoreAllMocks();
});
afterAll(() => Promise.all([strict.stop(), lenient.stop()]));

/** What a gateway says to a grant on a connection of its own. */
const answer = async (work: TestGateway, grant: TestGrant): Promise<string> =>
  (await say(speakerOf(grant), work, CAPABILITIES)).code;

/** Rows of a grant's refused handshakes. */
const handshakes = async (work: TestGateway, { grantId }: TestGrant): Promise<string[]> =>
  (await auditRows(work, grantId))
    .filter(({ verb }) => verb === "handshake")
    .map(({ outcome, code }) => `${outcome} ${code}`);

/** Keeps a gateway from making lists, and lets time pass until the last one is not good any more. */
async function makeStale(work: TestGateway): Promise<void> {
  await work.pool.query("revoke execute on function federation.begin_crl(text) from federation_gateway");
  const now = Date.now.bind(Date);
  vi.spyOn(Date, "now").mockImplementation(() => now() + LATER_MS);
}

describe(`a grant that has ${MOST} connections open`, () => {
  test("is refused one more at its handshake, RATE_LIMITED in the log; what is open and other grants are served, and when one ends another comes in", async () => {
    const [greedy, modest] = await Promise.all([freshGrant(strict), freshGrant(strict)]);
    const open: Client[] = [];
    try {
      while (open.length < MOST) {
        const next = Array.from({ length: 50 }, () => connectAs(speakerOf(greedy), strict));
        open.push(...next);
        // One that has asked may rest for a minute; one that never did would be cut.
        const codes = await Promise.all(next.map(async (client) => (await sayOn(client, { path: "/" })).code));
        expect(new Set(codes)).toEqual(new Set(["NOT_FOUND"]));
      }
      expect(await answer(strict, greedy)).toBe("TLS_REFUSED");
      await expect.poll(() => handshakes(strict, greedy), { timeout: 20_000 }).toEqual(["denied RATE_LIMITED"]);
      expect(await answer(strict, modest)).toBe("OK");
      expect((await sayOn(connected(open), CAPABILITIES)).code).toBe("OK");
      await connected(open).destroy();
      await expect.poll(() => answer(strict, greedy), { timeout: 20_000 }).toBe("OK");
    } finally {
      await Promise.all(open.map((client) => client.destroy()));
    }
  }, 120_000);
});

/** The first of them. */
function connected([first]: readonly Client[]): Client {
  if (first === undefined) {
    throw new Error("nothing is connected");
  }
  return first;
}

describe("while the list of revoked certificates is past its next update", () => {
  test("nobody is let in, UNAVAILABLE in the log, and who was in before is served", async () => {
    const grant = await freshGrant(strict);
    const open = connectAs(speakerOf(grant), strict);
    expect((await sayOn(open, CAPABILITIES)).code).toBe("OK");
    await makeStale(strict);
    expect(await answer(strict, grant)).toBe("TLS_REFUSED");
    expect((await sayOn(open, CAPABILITIES)).code).toBe("OK");
    await expect.poll(() => handshakes(strict, grant), { timeout: 20_000 }).toEqual(["denied UNAVAILABLE"]);
    vi.restoreAllMocks();
    expect(await answer(strict, grant)).toBe("OK");
    await open.destroy();
  });

  test("peers are let in where crl.whenStale says so, but for those of whose revocation the gateway was told", async () => {
    const [grant, left] = await Promise.all([freshGrant(lenient), freshGrant(lenient)]);
    await makeStale(lenient);
    expect([await answer(lenient, grant), await answer(lenient, left)]).toEqual(["OK", "OK"]);
    await lenient.pool.query("select federation.revoke_grant($1, 'left')", [left.grantId]);
    await expect.poll(() => answer(lenient, left), { timeout: 20_000 }).toBe("TLS_REFUSED");
    expect(await answer(lenient, grant)).toBe("OK");
    await expect.poll(() => handshakes(lenient, left), { timeout: 20_000 }).toContain("denied GRANT_REVOKED");
    expect(await handshakes(lenient, grant)).toEqual([]);
  });
});
