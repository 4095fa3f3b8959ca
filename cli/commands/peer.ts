import { Command } from "commander";
import { Pool } from "pg";
import { parseEnrollmentUrl } from "../../src/client/enrollment-url.ts";
import { enroll } from "../../src/client/enroll.ts";
import { createPeerConnections } from "../../src/client/peer-connections.ts";
import { storePeer } from "../../src/client/store-peer.ts";
import { asAdministrator } from "../../src/database/administrator.ts";
import { createSessions } from "../../src/database/session.ts";
import { createHomeQueries } from "../../src/source/home-queries.ts";
import type { UsedGateway } from "../../src/setup/use-database.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { bold, table } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";

interface PeerRow {
  id: string;
  owner_user_id: string;
  host: string;
  state: string;
  grant_id: string;
  certificate_not_after: Date;
  answer?: string;
}

/** `mosaic federation peer` */
export function peerCommand(): Command {
  return new Command("peer")
    .description("Remote gateways whose rows our users read.")
    .addCommand(addCommand())
    .addCommand(listCommand())
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
      const enrolled = await useDatabase(directory, async ({ adminUrl, keyring, config }) => {
        // Asked before the token is spent on a user who is not there.
        await asAdministrator(adminUrl, (client) => client.query("select federation.require_user($1)", [options.user]));
        output.progress(`enrolling with ${url.publicUrl}`);
        const got = await enroll(url, config.limits.peerTimeoutMs);
        await asAdministrator(adminUrl, (client) => storePeer(client, keyring, options.user, got));
        return got;
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
              ["peer", "user", "state", "grant", "certificate until", ...(options.check ? ["answers"] : [])],
              peers.map((peer) => [
                peer.host,
                peer.owner_user_id,
                peer.state,
                peer.grant_id,
                peer.certificate_not_after.toISOString().slice(0, 10),
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
async function askPeers({ gatewayUrl, keyring, config }: UsedGateway, peers: PeerRow[]): Promise<Map<string, string>> {
  const pool = new Pool({ connectionString: gatewayUrl, max: 2 });
  const connections = createPeerConnections({ keyring: () => keyring, timeoutMs: config.limits.peerTimeoutMs });
  try {
    const queries = createHomeQueries({
      sessions: createSessions(pool, config.limits.statementTimeoutMs),
      connections,
    });
    const users = [...new Set(peers.map((peer) => peer.owner_user_id))];
    const answers = await Promise.all(
      users.map(async (user) => {
        const said = await queries.capabilities(user, "all");
        return peers
          .filter((peer) => peer.owner_user_id === user)
          .map((peer) => {
            const of = said.find(({ source }) => source === `federated:${peer.host}`);
            return [peer.id, of === undefined ? "" : (of.error?.code ?? "OK")] as const;
          });
      }),
    );
    return new Map(answers.flat());
  } finally {
    await connections.close();
    await pool.end();
  }
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
