import { Command, Option } from "commander";
import { addPeer } from "../../src/client/add-peer.ts";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { createLog } from "../../src/observability/log.ts";
import { askHome } from "../../src/setup/ask-home.ts";
import { jobDependencies } from "../../src/setup/job-dependencies.ts";
import type { UsedGateway } from "../../src/setup/use-database.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { bold, table } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption } from "../command.ts";

interface PeerRow {
  id: string;
  owner_user_id: string;
  host: string;
  state: string;
  grant_id: string;
  certificate_not_after: Date;
  renewal_failures: number;
  renewal_failed_at: Date | null;
  renewal_failure_code: string | null;
  answer?: string;
}

/** `mosaic federation peer` */
export function peerCommand(): Command {
  return new Command("peer")
    .description("Remote gateways whose rows our users read.")
    .addCommand(addCommand())
    .addCommand(listCommand())
    .addCommand(renewCommand())
    .addCommand(cacheCommand())
    .addCommand(removeCommand());
}

function addCommand(): Command {
  return gatewayCommand("add", "Enroll with a remote gateway, by the URL that its administrator sent.", [
    'federation peer add "https://work.example:8444/enroll/…#sha256=…" --user alice',
  ])
    .argument("<url>", "the enrollment URL, in quotes")
    .requiredOption("--user <id>", "the local user who will see the remote rows; nobody else will")
    .action(async (text: string, options: CommonOptions & { user: string }) => {
      const { directory, output } = common(options);
      const url = parseEnrollmentUrl(text);
      const enrolled = await useDatabase(directory, ({ adminUrl, keyring, config }) => {
        output.progress(`enrolling with ${url.publicUrl}`);
        return addPeer({ adminUrl, keyring, userId: options.user, url, timeoutMs: config.limits.peerTimeoutMs });
      });
      const source = `federated:${enrolled.host}`;
      output.result(
        {
          host: enrolled.host,
          source,
          state: "active",
          grantId: enrolled.grantId,
          user: options.user,
          certificateSerial: enrolled.serial,
          certificateNotAfter: enrolled.notAfter,
        },
        () =>
          [
            `${bold(enrolled.host)} is now a peer of ${options.user}; the certificate is good until ${enrolled.notAfter.toISOString().slice(0, 10)}.`,
            `Next:  mosaic query list <resource> --user ${options.user} --source ${source}`,
          ].join("\n"),
      );
    });
}

function listCommand(): Command {
  return gatewayCommand("list", "Every peer and its state as of the last contact.", [
    "federation peer list",
    "federation peer list --check",
  ])
    .option("--check", "ask each peer now", false)
    .action(async (options: CommonOptions & { check: boolean }) => {
      const { directory, output } = common(options);
      const peers = await useDatabase(directory, async (gateway) => {
        const before = await readPeers(gateway.adminUrl);
        if (!options.check) {
          return before;
        }
        const answers = await askPeers(gateway, before);
        return (await readPeers(gateway.adminUrl)).map((peer) => ({ ...peer, answer: answers.get(peer.id) ?? "" }));
      });
      output.result(peers, () =>
        peers.length === 0
          ? "No peer yet. Add one with: mosaic federation peer add --help"
          : table(
              ["peer", "user", "state", "grant", "certificate until", "renewal", ...(options.check ? ["answers"] : [])],
              peers.map((peer) => [
                peer.host,
                peer.owner_user_id,
                peer.state,
                peer.grant_id,
                peer.certificate_not_after.toISOString().slice(0, 10),
                peer.renewal_failure_code === null
                  ? ""
                  : `failed ${peer.renewal_failures}×: ${peer.renewal_failure_code}`,
                ...(options.check ? [peer.answer] : []),
              ]),
            ),
      );
    });
}

async function readPeers(adminUrl: string): Promise<PeerRow[]> {
  return asAdministrator(adminUrl, async (client) => {
    const { rows } = await client.query<PeerRow>("select * from federation.list_peers()");
    return rows;
  });
}

/** What each peer answers to `capabilities`: `OK` or the code of its refusal, by peer id. */
async function askPeers(gateway: UsedGateway, peers: PeerRow[]): Promise<Map<string, string>> {
  const users = [...new Set(peers.map((peer) => peer.owner_user_id))];
  return askHome(gateway, async (queries, askedAs) => {
    const answers = await Promise.all(
      users.map(async (user) => {
        const said = await queries.capabilities(askedAs(user), "all");
        return peers
          .filter((peer) => peer.owner_user_id === user)
          .map((peer) => {
            const of = said.find(({ source }) => source === `federated:${peer.host}`);
            return [peer.id, of === undefined ? "" : (of.error?.code ?? "OK")] as const;
          });
      }),
    );
    return new Map(answers.flat());
  });
}

function renewCommand(): Command {
  return gatewayCommand("renew", "Renew our certificate for a peer now. The worker does so by itself before it ends.", [
    "federation peer renew work.example --user alice",
  ])
    .argument("<host>", "the peer's host")
    .requiredOption("--user <id>", "the local user whose peer it is")
    .action(async (host: string, options: CommonOptions & { user: string }) => {
      const { directory, output } = common(options);
      const outcome = await useDatabase(directory, async ({ adminUrl, config, paths }) => {
        const peer = (await readPeers(adminUrl)).find((one) => one.host === host && one.owner_user_id === options.user);
        if (peer === undefined) {
          throw new FederationError("PEER_UNKNOWN", `${options.user} has no peer ${host}`);
        }
        if (peer.state === "revoked") {
          throw new FederationError(
            "GRANT_REVOKED",
            `${host} has ended the grant; "mosaic federation peer add" takes a new one`,
          );
        }
        output.progress(`asking ${host} for a new certificate`);
        const { renewals } = jobDependencies({ adminUrl, config, paths, log: createLog("silent") });
        return renewals.renew(peer.id, { now: true });
      });
      if (outcome.status === "failed") {
        throw new FederationError(outcome.code, outcome.message);
      }
      if (outcome.status !== "renewed") {
        throw new FederationError("CONFLICT", "another worker has renewed this certificate just now");
      }
      output.result(
        { host, user: options.user, certificateSerial: outcome.serial, certificateNotAfter: outcome.notAfter },
        () =>
          `The certificate of ${options.user} for ${host} is good until ${outcome.notAfter.toISOString().slice(0, 10)}.`,
      );
    });
}

function cacheCommand(): Command {
  return gatewayCommand("cache", "How long a peer's answers to list and get are good.", [
    "federation peer cache work.example --user alice --ttl 5",
    "federation peer cache work.example --user alice --ttl 0",
    "federation peer cache work.example --user alice --default",
  ])
    .argument("<host>", "the peer's host")
    .requiredOption("--user <id>", "the local user whose peer it is")
    .addOption(new Option("--ttl <seconds>", "0 keeps none").argParser(integerOption).conflicts("default"))
    .option("--default", "as long as the gateway's configuration says")
    .action(async (host: string, options: CommonOptions & { user: string; ttl?: number; default?: true }) => {
      const { directory, output } = common(options);
      if (options.ttl === undefined && options.default === undefined) {
        throw new FederationError("USAGE", "Say --ttl <seconds> or --default.");
      }
      const ttl = options.ttl ?? null;
      await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, (client) =>
          client.query("select federation.set_peer_cache($1, $2, $3)", [options.user, host, ttl]),
        ),
      );
      const howLong = ttl === null ? "as long as the configuration says" : `for ${ttl} s`;
      output.result(
        { host, user: options.user, cacheTtlSeconds: ttl },
        () => `Answers of ${host} to ${options.user} are good ${howLong}, from the next request on.`,
      );
    });
}

function removeCommand(): Command {
  return gatewayCommand("remove", "Forget a peer, its certificate and its key.", [
    "federation peer remove work.example --user alice",
  ])
    .argument("<host>", "the peer's host")
    .requiredOption("--user <id>", "the local user whose peer it is")
    .action(async (host: string, options: CommonOptions & { user: string }) => {
      const { directory, output } = common(options);
      await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, (client) =>
          client.query("select federation.remove_peer($1, $2)", [options.user, host]),
        ),
      );
      output.result(
        { host, user: options.user, removed: true },
        () => `${host} is no longer a peer of ${options.user}.`,
      );
    });
}
