import type { ConfigInput } from "../config/schema.ts";
import { derToPem } from "../pki/der.ts";
import { initGateway } from "../setup/init.ts";
import { useDatabase } from "../setup/use-database.ts";
import type { FederatedPage } from "../source/home-queries.ts";
import {
  addPeer,
  createGrant,
  createToken,
  credentialsOf,
  listTasks,
  searchSources,
  mixedCredentials,
  openSigner,
  revokeGrant,
  strangerCredentials,
} from "./actors.ts";
import type { Credentials } from "./actors.ts";
import type { GatewayProcess } from "./gateway-process.ts";
import { freePorts, startGatewayProcess } from "./gateway-process.ts";
import { mtlsRequest } from "./mtls-request.ts";
import { credential, fillWorld, HOME, task, WORK } from "./world.ts";

/** One thing that the demo did: what should have come of it and what came. */
export interface DemoStep {
  name: string;
  expected: string;
  got: string;
  ok: boolean;
  /** Milliseconds. */
  ms: number;
}

/** What is there when every step has been taken. */
export interface DemoOutcome {
  ok: boolean;
  steps: DemoStep[];
  /** What Alice saw: her own rows and work's, blended. */
  blended: FederatedPage;
  /** The gateways and their directories, running still where the demo was asked to keep them. */
  work: GatewayProcess & { directory: string };
  home: GatewayProcess & { directory: string };
  aliceToken: string;
}

const SCOPE = {
  resources: ["tasks", "notes", "credentials"],
  excluded_resources: ["credentials"],
  include_teams: ["platform"],
  include_personal: true,
};

/**
 * Plays the main job through: two gateways, a process and an embedded database each; work grants, home enrolls, Alice sees both,
 * and everything that must be refused is. Stops the gateways at the end.
 *
 * @param options.command the program and arguments that are `mosaic`
 * @param options.folder an empty folder for both gateways
 * @param options.keep leaves the gateways running where everything came out as it should
 * @param options.signal ends the demo between two steps
 * @param options.onStep called after each step
 * @throws what a step threw that could not be taken at all
 */
export async function runDemo(options: {
  command: readonly string[];
  folder: string;
  keep: boolean;
  signal: AbortSignal;
  onStep: (step: DemoStep) => void;
}): Promise<DemoOutcome> {
  const running: GatewayProcess[] = [];
  let keep = false;
  try {
    const outcome = await play(options, running);
    keep = options.keep && outcome.ok;
    return outcome;
  } finally {
    if (!keep) {
      await Promise.all(running.map((gateway) => gateway.stop()));
    }
  }
}

async function play(
  { command, folder, signal, onStep }: Parameters<typeof runDemo>[0],
  running: GatewayProcess[],
): Promise<DemoOutcome> {
  const directories = { work: `${folder}/work`, home: `${folder}/home` };
  const steps: DemoStep[] = [];

  const step = async <T>(name: string, expected: string, act: () => Promise<[got: string, value: T]>): Promise<T> => {
    signal.throwIfAborted();
    const started = performance.now();
    let got = "";
    try {
      const [said, value] = await act();
      got = said;
      return value;
    } catch (error) {
      got = error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      const taken: DemoStep = {
        name,
        expected,
        got,
        ok: got === expected,
        ms: Math.round(performance.now() - started),
      };
      steps.push(taken);
      onStep(taken);
    }
  };

  await step("two gateways, each with its own Postgres and its own certificate authority", "made", async () => {
    const ports = await freePorts(6);
    await Promise.all([
      makeGateway(directories.work, "work.localhost", ports.slice(0, 3), WORK),
      makeGateway(directories.home, "home.localhost", ports.slice(3), HOME),
    ]);
    return ["made", undefined];
  });
  const { work, home } = await step("each serves in a process of its own", "serving", async () => {
    const start = async (directory: string): Promise<GatewayProcess> => {
      const gateway = await startGatewayProcess(command, directory);
      running.push(gateway);
      return gateway;
    };
    const started = await Promise.allSettled([start(directories.work), start(directories.home)]);
    const [workProcess, homeProcess] = started.map((result) => {
      if (result.status === "rejected") {
        throw new Error("a gateway did not start", { cause: result.reason });
      }
      return result.value;
    }) as [GatewayProcess, GatewayProcess];
    return ["serving", { work: workProcess, home: homeProcess }];
  });

  const alice = await step("work grants: what Alice may see, of team platform and her own", "pending", async () => {
    const grant = await createGrant(directories.work, "alice", SCOPE);
    return [grant.url.startsWith("https://") ? "pending" : "no URL", grant];
  });
  const bob = await step("work grants the same for Bob", "pending", async () => [
    "pending",
    await createGrant(directories.work, "bob", SCOPE),
  ]);
  const aliceEnrolled = await step("home enrolls Alice by the URL", "certificate for grant of alice", async () => {
    const enrolled = await addPeer(directories.home, "alice-at-home", alice.url);
    return [`certificate for grant of ${enrolled.subjectUserId}`, enrolled];
  });
  await step("home enrolls Bob by his", "certificate for grant of bob", async () => {
    const enrolled = await addPeer(directories.home, "bob-at-home", bob.url);
    return [`certificate for grant of ${enrolled.subjectUserId}`, enrolled];
  });
  const aliceToken = await createToken(directories.home, "alice-at-home");

  const blended = await step("Alice lists tasks of all sources", "2 local, 3 federated:work.localhost", async () => {
    const page = await listTasks(home.homeUrl, aliceToken, "all");
    return [page.sources.map(({ source, rows }) => `${rows} ${source}`).join(", "), page];
  });
  await step("Bob lists tasks of all sources", "1 local, 3 federated:work.localhost", async () => {
    const page = await listTasks(home.homeUrl, await createToken(directories.home, "bob-at-home"), "all");
    return [page.sources.map(({ source, rows }) => `${rows} ${source}`).join(", "), page];
  });

  await step('Alice searches for "plan" in all sources', "1 local, 1 federated:work.localhost", async () => {
    const found = await searchSources(home.homeUrl, aliceToken, "plan");
    const counts = new Map<string, number>();
    for (const source of found) {
      counts.set(source, (counts.get(source) ?? 0) + 1);
    }
    return [[...counts].map(([source, count]) => `${count} ${source}`).join(", "), undefined];
  });

  const ask = async (
    name: string,
    expected: string,
    credentials: Credentials,
    documentId: string,
    variables: unknown,
  ) =>
    step(name, expected, async () => {
      const ca = derToPem(aliceEnrolled.rootDer, "CERTIFICATE");
      const answer = await mtlsRequest({
        url: work.federationUrl,
        ca,
        ...credentials,
        body: { documentId, variables },
      });
      return [answer.status === undefined ? answer.code : `${answer.status} ${answer.code}`, undefined];
    });
  const own = credentialsOf(aliceEnrolled);
  await ask("a task of the platform team is Alice's to get", "200 OK", own, "get", { resource: "tasks", id: task(1) });
  await ask("refused: her own task in a team out of scope", "404 NOT_FOUND", own, "get", {
    resource: "tasks",
    id: task(3),
  });
  await ask("refused: Bob's personal task, which is another grant's", "404 NOT_FOUND", own, "get", {
    resource: "tasks",
    id: task(6),
  });
  await ask("refused: an excluded resource", "403 RESOURCE_DENIED", own, "get", {
    resource: "credentials",
    id: credential(1),
  });
  await ask(
    "refused: a certificate that joins Alice's grant with Bob's name",
    "403 SUBJECT_MISMATCH",
    await mixedCredentials(await openSigner(directories.work), alice.grantId, "bob"),
    "list",
    { resource: "tasks" },
  );
  await ask(
    "refused: the right names, signed by an unknown authority",
    "TLS_REFUSED",
    await strangerCredentials(alice.grantId, "alice"),
    "list",
    { resource: "tasks" },
  );
  await step("refused: the enrollment URL a second time", "TOKEN_SPENT", async () => [
    await addPeer(directories.home, "bob-at-home", alice.url).then(
      () => "enrolled",
      (error: unknown) => (error instanceof Error && "code" in error ? String(error.code) : String(error)),
    ),
    undefined,
  ]);
  const bobToken = await createToken(directories.home, "bob-at-home");
  const hitsOfWork = async (): Promise<number> =>
    (await searchSources(home.homeUrl, bobToken, "plan")).filter((source) => source !== "local").length;
  const hitsBefore = await hitsOfWork();
  await revokeGrant(directories.work, bob.grantId);
  await step("refused: Bob's search, from the moment that work revokes his grant", "1 before, 0 after", async () => [
    `${hitsBefore} before, ${await hitsOfWork()} after`,
    undefined,
  ]);
  await step("refused: Bob's list, which home had in memory until then", "1 local, GRANT_REVOKED", async () => {
    const page = await listTasks(home.homeUrl, bobToken, "all");
    return [page.sources.map(({ source, rows, error }) => error?.code ?? `${rows} ${source}`).join(", "), undefined];
  });
  return {
    ok: steps.every(({ ok }) => ok),
    steps,
    blended,
    work: { ...work, directory: directories.work },
    home: { ...home, directory: directories.home },
    aliceToken,
  };
}

async function makeGateway(
  directory: string,
  host: string,
  [federation = 0, open = 0, home = 0]: number[],
  world: Parameters<typeof fillWorld>[1],
): Promise<void> {
  const config: ConfigInput = {
    version: 2,
    tier: "local",
    host,
    listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
    federationUrl: `https://127.0.0.1:${federation}`,
    publicUrl: `https://127.0.0.1:${open}`,
  };
  await initGateway({ directory, config, sample: true, log: () => undefined });
  await useDatabase(directory, ({ adminUrl }) => fillWorld(adminUrl, world));
}
