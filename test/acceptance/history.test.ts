import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { appendAt } from "../harness/audit.ts";
import { createGrant, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { EMPLOYEES, WORK } from "./employees.ts";
import type { Employee } from "./employees.ts";

let work: TestGateway;
const grants = new Map<Employee, string>();
const grantOf = (employee: Employee): string => grants.get(employee) ?? "";

beforeAll(async () => {
  work = await openTestGateway("work.localhost", WORK);
});
afterAll(() => work.stop());

describe("7. audit rows that are ninety days old", () => {
  const DAYS = [100, 200] as const;
  const ago = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();

  beforeAll(async () => {
    for (const employee of EMPLOYEES) {
      grants.set(
        employee,
        (await createGrant(work, employee, { resources: ["tasks"], include_personal: true })).grantId,
      );
    }
    await work.pool.query("select * from federation.roll_audit()");
    const old = EMPLOYEES.flatMap((employee) =>
      DAYS.map((days) => ({ at: ago(days), grant_id: grantOf(employee), subject_user_id: employee })),
    );
    await appendAt(work.pool, old, "requests-7");
    await work.pool.query("select * from federation.roll_audit()");
    await appendAt(work.pool, [{ at: ago(30), grant_id: grantOf("ada"), subject_user_id: "ada" }], "requests-7");
    await work.pool.query("select * from federation.roll_audit()");
  });

  const trail = async (employee: Employee, ...more: string[]): Promise<string[]> => {
    const args = ["federation", "audit", "list", "--grant", grantOf(employee), "--until", ago(20)];
    const { stdout } = await runMosaic([...args, "--json", "--dir", work.directory, ...more]);
    return (JSON.parse(stdout) as { at: string }[]).map(({ at }) => at.slice(0, 10));
  };
  const day = (days: number): string => ago(days).slice(0, 10);

  test("are in the cold tier and no more in the hot one, where those of thirty days are", async () => {
    const count = async (table: string): Promise<unknown> =>
      (
        await work.pool.query(
          `select count(*)::int as n from federation.${table} where at < now() - interval '90 days' and chain = 'requests-7'`,
        )
      ).rows;
    expect(await count("federation_audit_archive")).toEqual([{ n: EMPLOYEES.length * DAYS.length }]);
    expect(await count("federation_audit_log")).toEqual([{ n: 0 }]);
    expect(await trail("ada")).toEqual([day(30)]);
  });

  test.each(EMPLOYEES)(
    "are found by the historical query for %s's grant, and are that grant's alone",
    async (employee) => {
      const expected = [...DAYS.map(day), ...(employee === "ada" ? [day(30)] : [])];
      expect((await trail(employee, "--history")).sort()).toEqual(expected.sort());
    },
  );

  test("hang in the same chains as before, which hold over both tiers", async () => {
    const { code } = await runMosaic(["federation", "audit", "verify", "--dir", work.directory]);
    expect(code).toBe(0);
  });
});
