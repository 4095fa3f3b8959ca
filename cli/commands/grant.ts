import { Argument, Command } from "commander";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { bold, table } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand, integerOption, timeOption } from "../command.ts";
import {
  changeGrant,
  enrollCommand,
  readScope,
  resumeCommand,
  revokeCommand,
  suspendCommand,
  updateCommand,
} from "./grant-change.ts";
import { explainCommand } from "./grant-explain.ts";
import { noSuchGrant, requireGrantId } from "./grant-id.ts";
import { visibleCommand } from "./grant-visible.ts";

interface GrantRow {
  id: string;
  subject_user_id: string;
  peer_host: string;
  status: string;
  scope: { resources: string[] };
  created_at: Date;
  expires_at: Date | null;
  certificate_not_after: Date | null;
}

/** `mosaic federation grant` */
export function grantCommand(): Command {
  return new Command("grant")
    .description("What peers may read here, and on whose behalf.")
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(explainCommand())
    .addCommand(visibleCommand())
    .addCommand(updateCommand())
    .addCommand(enrollCommand())
    .addCommand(suspendCommand())
    .addCommand(resumeCommand())
    .addCommand(revokeCommand())
    .addCommand(limitCommand())
    .addCommand(auditModeCommand());
}

function createCommand(): Command {
  return gatewayCommand("create", "Grant a peer what one of our users may see, narrowed by a scope.", [
    "federation grant create --user alice --peer home.example --scope scope.json",
    `federation grant create --user alice --peer home.example --scope - <<< '{"resources": ["tasks"], "include_teams": ["T1"]}'`,
  ])
    .requiredOption("--user <id>", "the subject: the user whose rights bound what the peer reads")
    .requiredOption("--peer <host>", "the host of the gateway that will enroll")
    .requiredOption("--scope <file>", "JSON file with the scope, or - for standard input")
    .option("--expires <time>", "when the grant ends by itself", timeOption)
    .action(async (options: CommonOptions & { user: string; peer: string; scope: string; expires?: Date }) => {
      const { directory, output } = common(options);
      const scope = readScope(options.scope);
      const grant = await useDatabase(directory, ({ adminUrl }) =>
        asAdministrator(adminUrl, async (client) => {
          const { rows } = await client.query<{
            grant_id: string;
            enrollment_token: string;
            token_expires_at: Date;
            enrollment_url: string;
          }>("select * from federation.create_grant($1, $2, $3, $4)", [
            options.user,
            options.peer,
            JSON.stringify(scope),
            options.expires ?? null,
          ]);
          return rows[0];
        }),
      );
      if (grant === undefined) {
        throw new FederationError("INTERNAL", "The grant was not made.");
      }
      output.result(
        {
          grantId: grant.grant_id,
          status: "pending",
          enrollmentUrl: grant.enrollment_url,
          expiresAt: grant.token_expires_at,
        },
        () =>
          [
            `Grant ${bold(grant.grant_id)} is pending: ${options.peer} may enroll to read what ${options.user} may see, within the scope.`,
            `Send this URL to the administrator of ${options.peer} by a way that you both trust. It works once, for 15 minutes:`,
            "",
            `  ${grant.enrollment_url}`,
            "",
            `There:  mosaic federation peer add "<the URL>" --user <their user>`,
          ].join("\n"),
      );
    });
}

async function readGrants(directory: string): Promise<GrantRow[]> {
  return useDatabase(directory, ({ adminUrl }) =>
    asAdministrator(adminUrl, async (client) => {
      const { rows } = await client.query<GrantRow>("select * from federation.list_grants()");
      return rows;
    }),
  );
}

function listCommand(): Command {
  return gatewayCommand("list", "Every grant and its state.", [
    "federation grant list",
    "federation grant list --json",
  ]).action(async (options: CommonOptions) => {
    const { directory, output } = common(options);
    const grants = await readGrants(directory);
    output.result(grants, () =>
      grants.length === 0
        ? "No grant yet. Make one with: mosaic federation grant create --help"
        : table(
            ["grant", "subject", "peer", "status", "resources", "certificate until"],
            grants.map((grant) => [
              grant.id,
              grant.subject_user_id,
              grant.peer_host,
              grant.status,
              grant.scope.resources.join(", "),
              grant.certificate_not_after?.toISOString().slice(0, 10),
            ]),
          ),
    );
  });
}

function showCommand(): Command {
  return gatewayCommand("show", "One grant, with its scope and its certificate.", ["federation grant show 0190b6e2-…"])
    .argument("<id>", "the grant's id")
    .action(async (id: string, options: CommonOptions) => {
      const { directory, output } = common(options);
      requireGrantId(id);
      const grant = (await readGrants(directory)).find((candidate) => candidate.id === id.toLowerCase());
      if (grant === undefined) {
        throw noSuchGrant(id);
      }
      output.result(grant, () =>
        table(
          ["", ""],
          Object.entries<unknown>({ ...grant }).map(([name, value]) => [
            name.replaceAll("_", " "),
            value instanceof Date ? value.toISOString() : value,
          ]),
        ),
      );
    });
}

function limitCommand(): Command {
  return gatewayCommand("limit", "How many requests a grant may make; holds for the next one, on every gateway.", [
    "federation grant limit 0190b6e2-… --per-minute 600",
    "federation grant limit 0190b6e2-… --per-minute 600 --burst 50",
    "federation grant limit 0190b6e2-…                     # back to what the configuration says",
  ])
    .argument("<id>", "the grant's id")
    .option(
      "--per-minute <number>",
      "requests in a minute; without it, limits.requestsPerMinute of the configuration",
      integerOption,
    )
    .option("--burst <number>", "the most of them in one second; without it, as many as in a minute", integerOption)
    .action(async (id: string, options: CommonOptions & { perMinute?: number; burst?: number }) => {
      const { perMinute = null, burst = null } = options;
      await changeGrant(id, options, "set_grant_limits", [perMinute, burst]);
      common(options).output.result(
        { grantId: id, requestsPerMinute: perMinute, burst },
        () =>
          `Grant ${id} may make ${perMinute ?? "as many requests as the configuration says"} a minute${burst === null ? "" : `, ${burst} in one second`}.`,
      );
    });
}

function auditModeCommand(): Command {
  return gatewayCommand(
    "audit",
    "How completely a grant is audited. strict: an answer leaves only after its audit row is durable, and is refused where that cannot be had.",
    ["federation grant audit 0190b6e2-… strict", "federation grant audit 0190b6e2-… async"],
  )
    .argument("<id>", "the grant's id")
    .addArgument(new Argument("<mode>", "strict or async").choices(["strict", "async"]))
    .action(async (id: string, mode: string, options: CommonOptions) => {
      await changeGrant(id, options, "set_grant_audit", [mode]);
      common(options).output.result({ grantId: id, auditMode: mode }, () => `Grant ${id} is audited ${mode}.`);
    });
}
