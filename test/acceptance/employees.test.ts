import type { Client } from "undici";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { enroll } from "../../src/client/enroll.ts";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { createToken, mixedCredentials } from "../../src/demo/actors.ts";
import { createGrant, enrollGrant, homeQuery, openTestGateway } from "../harness/gateway.ts";
import type { TestGateway, TestGrant } from "../harness/gateway.ts";
import { runMosaic } from "../harness/mosaic.ts";
import { openSigner } from "../harness/signer.ts";
import { EMPLOYEES, homeOf, idsOf, RESOURCES, ROWS, TEAMS, WORK } from "./employees.ts";
import type { Employee, Resource, Row, Team } from "./employees.ts";
import { connectAs, newTrace, say, sayOn, speakerOf } from "./wire.ts";
import type { Heard } from "./wire.ts";

// One employee's own rows; and one team's rows, of which only its members may ask.
const OWN = { resources: RESOURCES, include_personal: true };
const TEAM_OF = { ada: "finance", ben: "design", cleo: "finance" } as const satisfies Record<Employee, Team>;
const teamScope = (team: Team): unknown => ({ resources: RESOURCES, include_teams: [team] });
const SOURCE = "federated:work.localhost";
const CONFIG = {
  limits: { requestsPerMinute: 100_000, peerTimeoutMs: 60_000, statementTimeoutMs: 60_000 },
  cache: { bytes: 0 },
};

let work: TestGateway;
const homes = new Map<Employee, TestGateway>();
const own = new Map<Employee, TestGrant>();
const ofTeam = new Map<Employee, TestGrant>();
/** Bearer tokens of the people at the As. */
const tokens = new Map<string, string>();

beforeAll(async () => {
  work = await openTestGateway("work.localhost", WORK, CONFIG);
  for (const employee of EMPLOYEES) {
    const home = await openTestGateway(`${employee}.localhost`, homeOf(employee), CONFIG);
    homes.set(employee, home);
    own.set(employee, await enrollGrant(work, home, employee, `${employee}-at-home`, OWN));
    const scope = teamScope(TEAM_OF[employee]);
    ofTeam.set(employee, await enrollGrant(work, home, employee, `helper-of-${employee}`, scope));
    for (const person of [`${employee}-at-home`, `helper-of-${employee}`]) {
      tokens.set(person, await createToken(home.directory, person));
    }
  }
});
afterAll(async () => {
  await Promise.all([work, ...homes.values()].map((gateway) => gateway.stop()));
});

function of<T>(all: Map<Employee, T>, employee: Employee): T {
  const found = all.get(employee);
  if (found === undefined) {
    throw new Error(`${employee} is not set up`);
  }
  return found;
}

/** What every request of these tests must have left in B's log. */
interface Trace {
  grantId: string;
  subject: string;
  verb: string;
  code: string;
}
const traces = new Map<string, Trace>();
/** The same of those whose connection was ended instead of an answer: they may have a row of that trace or none. */
const broken = new Map<string, Pick<Trace, "grantId" | "subject">>();

interface Page {
  rows?: { id: string; _source: string }[];
  hits?: { id: string; resource: string; _source: string }[];
}

/** A person at an A asks it by GraphQL; one answer of B, or the code of the refusal. */
async function ask(
  employee: Employee,
  grants: Map<Employee, TestGrant>,
  verb: "list" | "get" | "search",
  question: string,
  source = SOURCE,
): Promise<{ code: string; page: Page }> {
  const { traceId, traceparent } = newTrace();
  const { grantId, subject } = of(grants, employee);
  const person = grants === own ? `${employee}-at-home` : `helper-of-${employee}`;
  const { data, errors } = await homeQuery(
    of(homes, employee),
    undefined,
    `{ answer: ${verb}(${question}, source: "${source}") { ${verb === "search" ? "hits" : "rows"} sources { source error { code } } } }`,
    {},
    { traceparent, authorization: `Bearer ${tokens.get(person) ?? ""}` },
  );
  const page = (data?.["answer"] ?? {}) as Page & { sources?: { source: string; error: { code: string } | null }[] };
  const code =
    errors?.[0]?.extensions.code ?? page.sources?.find((outcome) => outcome.source === SOURCE)?.error?.code ?? "OK";
  traces.set(traceId, { grantId, subject, verb, code });
  return { code, page };
}

async function listed(
  employee: Employee,
  grants: Map<Employee, TestGrant>,
  resource: Resource,
  first = 100,
): Promise<string[]> {
  const { code, page } = await ask(employee, grants, "list", `resource: "${resource}", first: ${first}`);
  expect(code).toBe("OK");
  return (page.rows ?? []).map(({ id }) => id).sort();
}

async function got(
  employee: Employee,
  grants: Map<Employee, TestGrant>,
  { resource, id }: Row,
): Promise<{ code: string; ids: string[] }> {
  const { code, page } = await ask(employee, grants, "get", `resource: "${resource}", id: "${id}"`);
  return { code, ids: (page.rows ?? []).map((row) => row.id) };
}

async function found(employee: Employee, grants: Map<Employee, TestGrant>, words: string): Promise<string[]> {
  const { code, page } = await ask(employee, grants, "search", `query: ${JSON.stringify(words)}, first: 100`);
  expect(code).toBe("OK");
  return (page.hits ?? []).map(({ id }) => id).sort();
}

/** Whose these rows are, as B's owner knows it: what is refused is there. */
async function exists({ resource, id, owner, team }: Row): Promise<boolean> {
  const { rowCount } = await work.pool.query(
    `select from app.${resource} where id = $1 and owner_id = $2 and team_id is not distinct from $3`,
    [id, owner, team],
  );
  return rowCount === 1;
}

/** Asks B itself, on a connection by whose certificate somebody speaks, and keeps in mind what B's log must say. */
async function traced(
  client: Client,
  { grantId, subject }: Pick<Trace, "grantId" | "subject">,
  documentId: string,
  variables: unknown = {},
): Promise<Heard> {
  const { traceId, traceparent } = newTrace();
  const heard = await sayOn(client, { headers: { traceparent }, body: { documentId, variables } });
  if (heard.status === undefined) {
    broken.set(traceId, { grantId, subject });
  } else {
    traces.set(traceId, { grantId, subject, verb: documentId, code: heard.code });
  }
  return heard;
}

/** The same on a connection of its own, by the certificate of a grant or another that says so. */
async function sayAs(
  grant: TestGrant,
  documentId: string,
  variables: unknown = {},
  { speaker = speakerOf(grant), subject = grant.subject } = {},
): Promise<Heard> {
  const client = connectAs(speaker, work);
  try {
    return await traced(client, { grantId: grant.grantId, subject }, documentId, variables);
  } finally {
    await client.destroy();
  }
}

const personalOf = (employee: Employee) => (row: Row) => row.owner === employee && row.team === null;
const allIds = (is: (row: Row) => boolean): string[] => RESOURCES.flatMap((resource) => idsOf(resource, is)).sort();

describe.each(EMPLOYEES)("1. of three employees on B, each with an own A, %s", (employee) => {
  const others = ROWS.filter((row) => row.owner !== employee);

  test.each(RESOURCES)("lists the own %s and nobody else's", async (resource) => {
    expect(await listed(employee, own, resource)).toEqual(idsOf(resource, personalOf(employee)));
  });

  test("gets each of the own rows, and none of the others', which are there", async () => {
    for (const row of ROWS.filter(personalOf(employee))) {
      expect(await got(employee, own, row)).toEqual({ code: "OK", ids: [row.id] });
    }
    for (const row of others) {
      expect(await exists(row)).toBe(true);
      expect(await got(employee, own, row)).toEqual({ code: "NOT_FOUND", ids: [] });
    }
  });

  test("finds the own rows by a word that every row holds, and nothing by what only the others' hold", async () => {
    expect(await found(employee, own, "plan")).toEqual(allIds(personalOf(employee)));
    for (const other of EMPLOYEES.filter((name) => name !== employee)) {
      expect(await found(employee, own, `"plan of ${other}"`)).toEqual([]);
    }
  });

  test("gets nothing more by asking for another's rows in a filter", async () => {
    const filter = `{ owner_id: { in: ${JSON.stringify(EMPLOYEES.filter((name) => name !== employee))} } }`;
    const { code, page } = await ask(employee, own, "list", `resource: "tasks", filter: ${filter}`);
    expect({ code, rows: page.rows }).toEqual({ code: "OK", rows: [] });
  });

  test("sees home's own rows and B's in one list, each with its source", async () => {
    const { page } = await ask(employee, own, "list", `resource: "tasks", first: 100`, "all");
    const bySource = Map.groupBy(page.rows ?? [], ({ _source }) => _source);
    expect(bySource.get("local")).toHaveLength(1);
    expect(bySource.get(SOURCE)?.map(({ id }) => id)).toEqual(idsOf("tasks", personalOf(employee)));
  });
});

test("1. three employees who ask at the same moment are answered with their own rows, each time", async () => {
  for (let round = 0; round < 10; round += 1) {
    // Equal questions of one person at one moment would be one request: each has its own number.
    const asked = [0, 1].flatMap((twice) => EMPLOYEES.map((employee) => ({ employee, first: 10 + 2 * round + twice })));
    const answers = await Promise.all(asked.map(({ employee, first }) => listed(employee, own, "tasks", first)));
    expect(answers).toEqual(asked.map(({ employee }) => idsOf("tasks", personalOf(employee))));
  }
});

describe.each(EMPLOYEES)("2. a team grant of %s", (employee) => {
  const team = TEAM_OF[employee];
  const inTeam = (row: Row): boolean => row.team === team;

  test.each(RESOURCES)("returns the team's %s, whoever of the team owns them", async (resource) => {
    const ids = await listed(employee, ofTeam, resource);
    expect(ids).toEqual(idsOf(resource, inTeam));
    expect(ids).toHaveLength(TEAMS[team].length);
  });

  test("returns no employee's personal data, by list, by get or by search", async () => {
    const personal = ROWS.filter((row) => row.team === null);
    for (const row of personal) {
      expect(await exists(row)).toBe(true);
      expect(await got(employee, ofTeam, row)).toEqual({ code: "NOT_FOUND", ids: [] });
    }
    expect(await found(employee, ofTeam, "plan")).toEqual(allIds(inTeam));
  });

  test("returns nothing of the other team, even where the employee is in both", async () => {
    for (const row of ROWS.filter((row) => row.team !== null && row.team !== team)) {
      expect(await exists(row)).toBe(true);
      expect(await got(employee, ofTeam, row)).toEqual({ code: "NOT_FOUND", ids: [] });
    }
  });

  test("that allows personal data, too, brings the employee's own and no colleague's", async () => {
    const grant = of(ofTeam, employee);
    const scope = { ...(teamScope(team) as object), include_personal: true };
    await work.pool.query("select federation.update_grant($1, $2)", [grant.grantId, JSON.stringify(scope)]);
    const mine = (row: Row): boolean => inTeam(row) || personalOf(employee)(row);
    expect(await listed(employee, ofTeam, "tasks")).toEqual(idsOf("tasks", mine));
    await work.pool.query("select federation.update_grant($1, $2)", [grant.grantId, JSON.stringify(teamScope(team))]);
    expect(await listed(employee, ofTeam, "tasks")).toEqual(idsOf("tasks", inTeam));
  });
});

/** A grant that was enrolled by nobody's A: certificate and key are at hand. */
async function looseGrant(subject: Employee, scope: unknown): Promise<TestGrant> {
  const { grantId, url } = await createGrant(work, subject, scope);
  return { grantId, subject, enrolled: await enroll(parseEnrollmentUrl(url), 10_000) };
}

let revoked: TestGrant;

describe("6. a revoked grant's certificate", () => {
  const live = (): TestGrant => of(own, "ben");
  let cursor: unknown;

  beforeAll(async () => {
    revoked = await looseGrant("ada", { ...OWN, include_teams: "*", max_rows_per_query: 1 });
    const page = await sayAs(revoked, "list", { resource: "tasks" });
    cursor = (page.body as { data: { list: { nextCursor: string } } }).data.list.nextCursor;
    expect(cursor).toBeTypeOf("string");
    const open = connectAs(speakerOf(revoked), work);
    expect((await traced(open, revoked, "capabilities")).code).toBe("OK");
    await work.pool.query("select federation.revoke_grant($1, 'left')", [revoked.grantId]);
    const after = await traced(open, revoked, "capabilities");
    expect(["GRANT_REVOKED", "CERTIFICATE_REVOKED", "TLS_REFUSED"]).toContain(after.code);
    await open.destroy();
  });

  test("is refused where the other grants go on being served, and the log says whose it was", async () => {
    await expect.poll(async () => (await sayAs(revoked, "capabilities")).code, { timeout: 10_000 }).toBe("TLS_REFUSED");
    expect((await sayAs(live(), "capabilities")).code).toBe("OK");
    const handshakes = async (): Promise<unknown> =>
      (
        await work.pool.query(
          "select distinct grant_id, subject_user_id from federation.federation_audit_log where verb = 'handshake' and certificate_serial = $1",
          [revoked.enrolled.serial],
        )
      ).rows;
    await expect.poll(handshakes, { timeout: 15_000 }).toEqual([{ grant_id: revoked.grantId, subject_user_id: "ada" }]);
  });

  test.each(EMPLOYEES)("is refused at the endpoint of %s's A, which it was never for", async (employee) => {
    const template = inject("template");
    const shares = template.kind === "postgres" && template.services !== undefined;
    const home = of(homes, employee);
    // Where both stand on one step-ca they share a root, so that the certificate gets as far as being read.
    const own = speakerOf(revoked);
    const ca = (await openSigner(home.directory)).certificateDer;
    const pem = `-----BEGIN CERTIFICATE-----\n${ca.toString("base64")}\n-----END CERTIFICATE-----\n`;
    const heard = await say({ ...own, ca: shares ? own.ca : pem }, home, {
      body: { documentId: "capabilities" },
    });
    expect([heard.status, heard.code]).toEqual(shares ? [401, "IDENTITY_MALFORMED"] : [undefined, "TLS_REFUSED"]);
  });

  test("cannot be made good by another's name: one that joins its grant with ben is refused", async () => {
    const joined = await mixedCredentials(await openSigner(work.directory), revoked.grantId, "ben");
    const as = { speaker: { ...joined, ca: speakerOf(revoked).ca }, subject: "ben" };
    const heard = await sayAs(revoked, "capabilities", {}, as);
    expect(["SUBJECT_MISMATCH", "GRANT_REVOKED", "TLS_REFUSED"]).toContain(heard.code);
    expect((await sayAs(live(), "capabilities")).code).toBe("OK");
  });

  test("leaves a cursor that is good for no other grant", async () => {
    const heard = await sayAs(live(), "list", { resource: "tasks", after: cursor });
    expect([heard.status, heard.code]).toEqual([400, "BAD_REQUEST"]);
    expect((await sayAs(live(), "list", { resource: "tasks" })).code).toBe("OK");
  });
});

describe("4. the audit log over all of it", () => {
  interface Logged extends Trace {
    traceId: string;
  }
  const logged = async (traceIds: Iterable<string>): Promise<Logged[]> =>
    (
      await work.pool.query<Logged>(
        `select trace_id as "traceId", grant_id as "grantId", subject_user_id as subject, verb, code
         from federation.federation_audit_log where trace_id = any ($1) order by id`,
        [[...traceIds]],
      )
    ).rows;

  test("has one row of each request, under the grant and the subject that asked, none missing and none twice", async () => {
    expect(traces.size).toBeGreaterThan(100);
    await expect.poll(async () => (await logged(traces.keys())).length, { timeout: 20_000 }).toBe(traces.size);
    for (const { traceId, ...row } of await logged(traces.keys())) {
      expect(row).toEqual(traces.get(traceId));
    }
  });

  /** What was asked under a grant, as an administrator has it shown. */
  async function trailOf(grantId: string): Promise<{ traceId: string | null; subject: string | null }[]> {
    const list = ["federation", "audit", "list", "--grant", grantId, "--limit", "1000", "--json"];
    const { stdout, code } = await runMosaic([...list, "--dir", work.directory]);
    expect(code).toBe(0);
    return (JSON.parse(stdout) as { verb: string; trace_id: string | null; subject_user_id: string | null }[])
      .filter(({ verb }) => ["capabilities", "list", "get", "search"].includes(verb))
      .map(({ trace_id: traceId, subject_user_id: subject }) => ({ traceId, subject }));
  }
  const askedUnder = (id: string): string[] =>
    [...traces].filter(([, { grantId }]) => grantId === id).map(([traceId]) => traceId);

  test.each([
    ["own", own],
    ["team", ofTeam],
  ])(
    "is each employee's trail: their %s grant's has what they asked for, and nothing of another's",
    async (_, grants) => {
      for (const employee of EMPLOYEES) {
        const { grantId } = of(grants, employee);
        const trail = await trailOf(grantId);
        expect(trail.map(({ traceId }) => traceId).sort()).toEqual(askedUnder(grantId).sort());
        expect(new Set(trail.map(({ subject }) => subject))).toEqual(new Set([employee]));
      }
    },
  );

  test("is the trail of the grant that was revoked: what was answered, what its connection ended on at most once, and nothing else", async () => {
    const { grantId } = revoked;
    const trail = await trailOf(grantId);
    const answered = trail.filter(({ traceId }) => !broken.has(traceId ?? ""));
    expect(answered.map(({ traceId }) => traceId).sort()).toEqual(askedUnder(grantId).sort());
    for (const { traceId, subject } of answered) {
      expect(subject).toBe(traces.get(traceId ?? "")?.subject);
    }
    const ended = await logged(broken.keys());
    expect(new Set(ended.map(({ traceId }) => traceId)).size).toBe(ended.length);
    for (const { traceId, ...row } of ended) {
      expect(row).toMatchObject(broken.get(traceId) ?? {});
    }
  });

  test("shows each employee, in B's home API, what was asked on their own behalf alone", async () => {
    for (const employee of EMPLOYEES) {
      const { data } = await homeQuery(work, employee, "{ allAuditRows { nodes { grantId } } }");
      const { nodes } = (data as { allAuditRows: { nodes: { grantId: string }[] } }).allAuditRows;
      const theirs = [of(own, employee).grantId, of(ofTeam, employee).grantId];
      expect(nodes.map(({ grantId }) => grantId)).toEqual(expect.arrayContaining(theirs));
      const others = EMPLOYEES.filter((name) => name !== employee).flatMap((name) => [
        of(own, name).grantId,
        of(ofTeam, name).grantId,
      ]);
      expect(nodes.filter(({ grantId }) => others.includes(grantId))).toEqual([]);
    }
  });

  test("is in chains that hold", async () => {
    const { rows } = await work.pool.query("select fault from federation.verify_audit()");
    expect(rows.length).toBeGreaterThan(1);
    expect(rows.filter(({ fault }: { fault: string | null }) => fault !== null)).toEqual([]);
  });
});
