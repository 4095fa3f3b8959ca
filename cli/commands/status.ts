import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption } from "../command.ts";
import { onStopSignal } from "../stop-signal.ts";
import { bold, dim, green, red, Styled, table, yellow } from "../output.ts";

interface PeerStatus {
  user: string;
  host: string;
  state: "active" | "degraded" | "revoked";
  certificateUntil: string;
  cacheTtlSeconds: number | null;
  /** Null where no gateway that runs has asked it. */
  circuit: "closed" | "open" | "half-open" | null;
  lastSuccessAt: string | null;
  lastFailureAt: string | null;
  lastFailureCode: string | null;
  offlineSince: string | null;
  renewalFailures: number;
  renewalFailedAt: string | null;
  /** Null where no renewal failed, or one is running. */
  renewalFailureCode: string | null;
}

interface GatewayStatus {
  name: string;
  startedAt: string;
  seenAt: string;
  cache: { entries: number; bytes: number; hits: number; misses: number };
  audit: { waiting: number; dropped: number };
  certificateUntil: string;
}

interface Status {
  grants: Record<string, number>;
  peers: PeerStatus[];
  gateways: GatewayStatus[];
  audit: {
    rowsOfLastDay: number;
    refusedOfLastDay: number;
    droppedOfLastDay: number;
    chains: number;
    hotPartitions: number;
    archivedPartitions: number;
  };
  alerts: { since: string; severity: string; code: string; subject: string; message: string }[];
}

const CLEAR = "\u001b[2J\u001b[H";

/** `mosaic federation status` */
export function statusCommand(): Command {
  return gatewayCommand(
    "status",
    "Grants, peers and how they do, running gateways, the audit log of the last day, and what somebody should look at.",
    ["federation status", "federation status --watch", "federation status --watch 10 --json"],
  )
    .option("--watch [seconds]", "again every 2 seconds, or so many, until Ctrl-C", (text) => integerOption(text))
    .action(async (options: CommonOptions & { watch?: number | true }) => {
      const { directory, output } = common(options);
      const every = options.watch === true ? 2 : options.watch;
      const show = async (): Promise<void> => {
        const status = await readStatus(directory);
        if (every !== undefined && !options.json && process.stdout.isTTY) {
          process.stdout.write(CLEAR);
        }
        output.result(status, () => forPeople(status));
      };
      await show();
      if (every === undefined) {
        return;
      }
      const ended = new AbortController();
      onStopSignal(() => {
        ended.abort();
      });
      while (!ended.signal.aborted) {
        await sleep(Math.max(1, every) * 1_000, undefined, { signal: ended.signal }).then(show, () => undefined);
      }
    });
}

async function readStatus(directory: string): Promise<Status> {
  const status = await useDatabase(directory, ({ adminUrl }) =>
    asAdministrator(adminUrl, async (client) => {
      const { rows } = await client.query<{ status: Status }>("select federation.status() as status");
      return rows[0]?.status;
    }),
  );
  if (status === undefined) {
    throw new FederationError("INTERNAL", "The database does not say how it does.");
  }
  return status;
}

function forPeople({ grants, peers, gateways, audit, alerts }: Status): string {
  const byStatus = Object.entries(grants).map(([name, count]) => `${count} ${name}`);
  return [
    `${bold("grants")}    ${byStatus.length === 0 ? "none" : byStatus.join(", ")}`,
    `${bold("audit")}     ${audit.rowsOfLastDay} rows in a day, ${audit.refusedOfLastDay} of them refused; ` +
      (audit.droppedOfLastDay === 0 ? "none dropped" : red(`${audit.droppedOfLastDay} dropped`)),
    `          ${audit.chains} ${audit.chains === 1 ? "chain" : "chains"}, ${audit.hotPartitions} weeks at hand, ${audit.archivedPartitions} in the archive`,
    `${bold("gateways")}  ${gateways.length === 0 ? "none runs: what follows is what the database knows" : ""}`,
    ...(gateways.length === 0 ? [] : [gatewaysForPeople(gateways)]),
    `${bold("peers")}     ${peers.length === 0 ? "none" : ""}`,
    ...(peers.length === 0 ? [] : [peersForPeople(peers)]),
    ...(alerts.length === 0
      ? [green("No alerts.")]
      : [
          yellow(`${alerts.length} ${alerts.length === 1 ? "alert" : "alerts"}:`),
          table(
            ["since", "severity", "code", "subject", "what"],
            alerts.map(({ since, severity, code, subject, message }) => [since, severity, code, subject, message]),
          ),
        ]),
  ].join("\n");
}

function gatewaysForPeople(gateways: GatewayStatus[]): string {
  return table(
    ["gateway", "since", "certificate until", "cache", "cache hits", "audit rows waiting"],
    gateways.map(({ name, startedAt, certificateUntil, cache, audit }) => [
      name,
      second(startedAt),
      certificateUntil.slice(0, 10),
      `${cache.entries} ${cache.entries === 1 ? "answer" : "answers"}, ${Math.ceil(cache.bytes / 1_024)} KiB`,
      cache.hits + cache.misses === 0 ? "" : `${Math.round((100 * cache.hits) / (cache.hits + cache.misses))} %`,
      audit.waiting,
    ]),
  );
}

function peersForPeople(peers: PeerStatus[]): string {
  return table(
    [
      "user",
      "host",
      "state",
      "circuit",
      "last success",
      "last failure",
      "offline since",
      "certificate until",
      "renewal",
    ],
    peers.map((peer) => [
      peer.user,
      peer.host,
      stateForPeople(peer.state),
      peer.circuit ?? new Styled(dim("not asked yet")),
      second(peer.lastSuccessAt),
      peer.lastFailureAt === null ? "" : `${second(peer.lastFailureAt)} ${peer.lastFailureCode ?? ""}`,
      peer.offlineSince === null ? "" : new Styled(red(second(peer.offlineSince))),
      peer.certificateUntil.slice(0, 10),
      peer.renewalFailureCode === null
        ? ""
        : new Styled(
            yellow(`failed ${peer.renewalFailures}×, last ${second(peer.renewalFailedAt)} ${peer.renewalFailureCode}`),
          ),
    ]),
  );
}

function stateForPeople(state: PeerStatus["state"]): Styled {
  return new Styled(state === "active" ? green(state) : state === "degraded" ? yellow(state) : red(state));
}

function second(time: string | null): string {
  return time === null ? "" : time.slice(0, 19).replace("T", " ");
}
