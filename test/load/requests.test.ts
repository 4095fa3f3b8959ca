import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { serve } from "../services/processes.ts";
import { ca, layOutSeveral } from "../services/several.ts";
import type { Enrolled, SeveralGateways } from "../services/several.ts";

const [GRANTS, REQUESTS] = [50, 2_000];
let several: SeveralGateways;

beforeAll(async () => {
  several = await layOutSeveral();
  several.gateways.push(...(await Promise.all(several.directories.map((directory) => serve(directory)))));
});
afterAll(async () => {
  await several.remove();
});

/** Says `REQUESTS` verbs on one connection; the ids that the gateway gave them. */
async function sayAll(grant: Enrolled, url: string): Promise<string[]> {
  const client = new Client(url, { connect: { ca, cert: grant.certificate, key: grant.key } });
  const ids: string[] = [];
  for (let count = 0; count < REQUESTS; count += 1) {
    const { statusCode, headers, body } = await client.request({
      method: "POST",
      path: "/federation",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(
        count % 2 === 0
          ? { documentId: "capabilities" }
          : { documentId: "list", variables: { resource: "tasks", first: 1 } },
      ),
    });
    await body.dump();
    expect(statusCode).toBe(200);
    ids.push(String(headers["x-request-id"]));
  }
  await client.destroy();
  return ids;
}

test("every one of 100 000 requests of 50 grants at three gateways is in the log, each under its own grant, in chains that hold", async () => {
  const grants: Enrolled[] = [];
  for (let index = 0; index < GRANTS; index += 1) {
    grants.push(await several.newGrant(["alice", "bob", "carol"][index % 3] ?? "", index));
  }
  await several.admin("select federation.set_grant_limits(id::uuid, 1000000, null) from unnest($1::text[]) as g (id)", [
    grants.map(({ grantId }) => grantId),
  ]);
  const said = await Promise.all(grants.map((grant, index) => sayAll(grant, several.at(index).federationUrl)));
  await sleep(1_000);
  for (const [index, { grantId }] of grants.entries()) {
    const rows = await several.admin<{ request_id: string; outcome: string }>(
      "select request_id, outcome from federation.federation_audit_log where grant_id = $1 and verb in ('capabilities', 'list') order by request_id",
      [grantId],
    );
    expect(rows.every(({ outcome }) => outcome === "served")).toBe(true);
    expect(rows.map(({ request_id }) => request_id)).toEqual((said[index] ?? []).toSorted());
  }
  expect(await several.admin("select * from federation.verify_audit() where fault is not null")).toEqual([]);
}, 1_500_000);
