import { describe, expect, test } from "vitest";
import { createCircuits } from "../../../src/client/circuit.ts";
import type { CircuitOptions, Circuits } from "../../../src/client/circuit.ts";
import type { Peer } from "../../../src/client/peer.ts";
import { startDeadline } from "../../../src/deadline.ts";
import { FederationError } from "../../../src/errors.ts";
import type { ErrorCode } from "../../../src/errors.ts";

const peer: Peer = {
  id: "p",
  host: "work.example",
  federationUrl: "https://127.0.0.1:1",
  publicUrl: "https://127.0.0.1:1",
  grantId: "g",
  rootPem: "",
  certificateChainPem: [],
  certificateSerial: "01",
  trustedRootsPem: [],
  certificateEnded: false,
  certificateNotAfter: new Date(Date.now() + 86_400_000),
  sealedKey: Buffer.alloc(0),
  state: "active",
  cacheTtlSeconds: null,
};
const failing = (code: ErrorCode, status?: number) => (): Promise<never> =>
  Promise.reject(new FederationError(code, code, status === undefined ? {} : { details: { status } }));

function circuits(over: Partial<CircuitOptions> = {}): { of: Circuits; changes: boolean[] } {
  const changes: boolean[] = [];
  const of = createCircuits({
    ...{ failures: 3, cooldownMs: 60, patienceMs: 100 },
    onChange: (_peer, isOpen) => changes.push(isOpen),
    ...over,
  });
  return { of, changes };
}
async function run(of: Circuits, attempt: () => Promise<unknown>, ms = 5_000): Promise<string> {
  const deadline = startDeadline(ms);
  try {
    await of.run(peer, deadline, attempt);
    return "OK";
  } catch (error) {
    return (error as FederationError).code;
  } finally {
    deadline.end();
  }
}
const health = (of: Circuits) => of.health().get("p");
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("the circuit of a peer", () => {
  test.each([
    ["PEER_TIMEOUT", undefined],
    ["PEER_UNTRUSTED", undefined],
    ["PEER_PROTOCOL", 200],
    ["PEER_UNREACHABLE", 503],
    ["PEER_TIMEOUT", 504],
  ] as const)("opens after so many of %s (%s) in a row, and lets nothing through", async (code, status) => {
    const { of, changes } = circuits();
    for (let n = 0; n < 3; n += 1) {
      expect(await run(of, failing(code, status))).toBe(code);
    }
    let attempts = 0;
    const counting = (): Promise<void> => {
      attempts += 1;
      return Promise.resolve();
    };
    expect(await run(of, counting)).toBe("CIRCUIT_OPEN");
    expect(attempts).toBe(0);
    expect(changes).toEqual([true]);
    expect(health(of)).toMatchObject({ circuit: "open", failures: 3, lastFailureCode: code });
    expect(health(of)?.offlineSince).toBeInstanceOf(Date);
  });

  test.each([
    ["GRANT_REVOKED", 403],
    ["RATE_LIMITED", 429],
    ["NOT_FOUND", 404],
    ["PEER_PROTOCOL", 418],
  ] as const)("never opens by refusals, %s (%s): they close it, even", async (code, status) => {
    const { of } = circuits();
    for (let n = 0; n < 20; n += 1) {
      expect(await run(of, failing("PEER_TIMEOUT"))).toBe("PEER_TIMEOUT");
      expect(await run(of, failing(code, status))).toBe(code);
    }
    expect(health(of)).toMatchObject({ circuit: "closed", failures: 0, offlineSince: null });
  });

  test("lets one probe through after its cooldown, closes by its success, and opens again by its failure", async () => {
    const { of, changes } = circuits();
    const open = async (): Promise<void> => {
      for (let n = 0; n < 3; n += 1) {
        await run(of, failing("PEER_TIMEOUT"));
      }
    };
    await open();
    await sleep(70);
    expect(await run(of, failing("PEER_TIMEOUT"))).toBe("PEER_TIMEOUT");
    expect(await run(of, () => Promise.resolve())).toBe("CIRCUIT_OPEN");
    await sleep(70);
    const probe = Promise.withResolvers<undefined>();
    const probing = run(of, () => probe.promise);
    expect(health(of)).toMatchObject({ circuit: "half-open" });
    // Nobody waits for a probe.
    expect(await run(of, () => Promise.resolve())).toBe("CIRCUIT_OPEN");
    probe.resolve(undefined);
    expect(await probing).toBe("OK");
    expect(await run(of, () => Promise.resolve())).toBe("OK");
    expect(health(of)).toMatchObject({ circuit: "closed", failures: 0, offlineSince: null });
    expect(changes).toEqual([true, true, false]);
  });

  test("is not closed by a probe that was given up", async () => {
    const { of } = circuits();
    for (let n = 0; n < 3; n += 1) {
      await run(of, failing("PEER_TIMEOUT"));
    }
    await sleep(70);
    expect(await run(of, failing("CANCELLED"))).toBe("CANCELLED");
    expect(await run(of, () => Promise.resolve())).toBe("CIRCUIT_OPEN");
  });

  test("is not opened by callers in a hurry, nor by those who hang up", async () => {
    const { of } = circuits();
    for (let n = 0; n < 10; n += 1) {
      expect(await run(of, failing("PEER_TIMEOUT"), 50)).toBe("PEER_TIMEOUT");
      expect(await run(of, failing("CANCELLED"))).toBe("CANCELLED");
    }
    expect(health(of)).toMatchObject({ circuit: "closed", failures: 0 });
  });

  test("is opened by who waited long enough, whatever time the request was begun with, and not by who did not", async () => {
    const waited = async (of: Circuits, ms: number): Promise<void> => {
      const deadline = startDeadline(10_000);
      setTimeout(() => {
        deadline.cancel(new FederationError("DEADLINE_EXCEEDED", ""));
      }, ms);
      const attempt = (): Promise<never> =>
        new Promise((_resolve, reject) => {
          deadline.signal.addEventListener("abort", () => {
            reject(new FederationError("PEER_TIMEOUT", ""));
          });
        });
      await expect(of.run(peer, deadline, attempt)).rejects.toMatchObject({ code: "PEER_TIMEOUT" });
      deadline.end();
    };
    const { of } = circuits({ failures: 1 });
    await waited(of, 20);
    expect(health(of)).toMatchObject({ circuit: "closed", failures: 0 });
    await waited(of, 150);
    expect(health(of)).toMatchObject({ circuit: "open", failures: 1 });
  });

  test("is not held open by a clock that is set back", async () => {
    const { of } = circuits();
    const { now } = Date;
    try {
      for (let n = 0; n < 3; n += 1) {
        await run(of, failing("PEER_TIMEOUT"));
      }
      Date.now = () => now() - 86_400_000;
      await sleep(70);
      expect(await run(of, () => Promise.resolve())).toBe("OK");
    } finally {
      Date.now = now;
    }
  });
});

describe("a request", () => {
  test("whose connection broke is made again, at most twice, within its deadline", async () => {
    const { of } = circuits({ failures: 100 });
    let attempts = 0;
    const third = (): Promise<string> => {
      attempts += 1;
      return attempts < 3 ? failing("PEER_UNREACHABLE")() : Promise.resolve("yes");
    };
    expect(await run(of, third)).toBe("OK");
    expect(attempts).toBe(3);
    attempts = -10;
    expect(await run(of, third)).toBe("PEER_UNREACHABLE");
    expect(attempts).toBe(-7);
    // With less time than the pause before a retry may take, it is not made.
    attempts = 0;
    expect(await run(of, third, 300)).toBe("PEER_UNREACHABLE");
    expect(attempts).toBe(1);
  });

  test("is made again after pauses that differ from one caller to the next", async () => {
    const { of } = circuits({ failures: 1_000 });
    const pauses = await Promise.all(
      Array.from({ length: 30 }, async () => {
        const times: number[] = [];
        await run(of, () => {
          times.push(performance.now());
          return failing("PEER_UNREACHABLE")();
        });
        return times.slice(1).map((time, index) => time - (times[index] ?? 0));
      }),
    );
    expect(pauses.every(({ length }) => length === 2)).toBe(true);
    expect(new Set(pauses.flat().map(Math.round)).size).toBeGreaterThan(10);
  });

  test("whose caller hangs up during the pause before a retry is not made again", async () => {
    const { of } = circuits();
    const deadline = startDeadline(5_000);
    let attempts = 0;
    const breaking = of.run(peer, deadline, () => {
      attempts += 1;
      deadline.cancel();
      return failing("PEER_UNREACHABLE")();
    });
    await expect(breaking).rejects.toMatchObject({ code: "PEER_UNREACHABLE" });
    expect(attempts).toBe(1);
    deadline.end();
  });

  test.each([
    ["PEER_UNREACHABLE", 503],
    ["PEER_TIMEOUT", undefined],
    ["RATE_LIMITED", 429],
    ["PEER_UNTRUSTED", undefined],
  ] as const)("that was answered, or not in time, is made once: %s (%s)", async (code, status) => {
    const { of } = circuits({ failures: 100 });
    let attempts = 0;
    await run(of, () => {
      attempts += 1;
      return failing(code, status)();
    });
    expect(attempts).toBe(1);
  });
});
