import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { Client } from "pg";
import { asAdministrator } from "../../src/database/administrator.ts";
import { FederationError } from "../../src/errors.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { bold, table } from "../output.ts";
import type { CommonOptions } from "../command.ts";
import { common, gatewayCommand } from "../command.ts";
import { ofGrant } from "./grant-id.ts";

/** `mosaic federation grant revoke` */
export function revokeCommand(): Command {
  return gatewayCommand("revoke", "End a grant for good, at once, with its certificates.", [
    "federation grant revoke 0190b6e2-…",
    `federation grant revoke 0190b6e2-… --reason "the contract has ended"`,
  ])
    .argument("<id>", "the grant's id")
    .option("--reason <text>", "why, for the record here; the peer is not told")
    .action(async (id: string, options: CommonOptions & { reason?: string }) => {
      const grant = await withGrant(id, options, async (client) => {
        await client.query("select federation.revoke_grant($1, $2)", [id, options.reason ?? null]);
        const { rows } = await client.query<{ status: string; ended_at: Date; end_reason: string | null }>(
          "select status, ended_at, end_reason from federation.list_grants() where id = $1",
          [id],
        );
        return rows[0];
      });
      if (grant === undefined) {
        throw new FederationError("INTERNAL", "The grant is gone.");
      }
      const { status, ended_at: endedAt, end_reason: reason } = grant;
      common(options).output.result({ grantId: id, status, endedAt, reason }, () =>
        [
          `Grant ${bold(id)} is ${status} since ${endedAt.toISOString()}, with its certificates and its enrollment token.`,
          "The peer reads nothing any more on any gateway of this database, and its next connection is refused; it learns why from the CRL.",
          "This cannot be undone: to share again, create another grant.",
        ].join("\n"),
      );
    });
}

/** `mosaic federation grant suspend` */
export function suspendCommand(): Command {
  return gatewayCommand("suspend", "Stop a grant until it is resumed.", ["federation grant suspend 0190b6e2-…"])
    .argument("<id>", "the grant's id")
    .action(async (id: string, options: CommonOptions) => {
      await changeGrant(id, options, "suspend_grant", []);
      common(options).output.result({ grantId: id, status: "suspended" }, () =>
        [
          `Grant ${bold(id)} is suspended: the peer reads nothing and is told GRANT_SUSPENDED. It keeps its certificate.`,
          `To go on:  mosaic federation grant resume ${id}`,
        ].join("\n"),
      );
    });
}

/** `mosaic federation grant resume` */
export function resumeCommand(): Command {
  return gatewayCommand("resume", "Let a suspended grant serve again.", ["federation grant resume 0190b6e2-…"])
    .argument("<id>", "the grant's id")
    .action(async (id: string, options: CommonOptions) => {
      await changeGrant(id, options, "resume_grant", []);
      common(options).output.result(
        { grantId: id, status: "active" },
        () => `Grant ${bold(id)} is active: the peer reads again, by the certificate that it has.`,
      );
    });
}

/** `mosaic federation grant enroll` */
export function enrollCommand(): Command {
  return gatewayCommand(
    "enroll",
    "A new enrollment URL for a grant: its URL was lost, or the peer's certificate has ended or was revoked.",
    ["federation grant enroll 0190b6e2-…"],
  )
    .argument("<id>", "the grant's id; it is pending or active")
    .action(async (id: string, options: CommonOptions) => {
      const token = await withGrant(id, options, async (client) => {
        const { rows } = await client.query<{ enrollment_url: string; token_expires_at: Date }>(
          "select enrollment_url, token_expires_at from federation.create_enrollment_token($1)",
          [id],
        );
        return rows[0];
      });
      if (token === undefined) {
        throw new FederationError("INTERNAL", "The token was not made.");
      }
      common(options).output.result(
        { grantId: id, enrollmentUrl: token.enrollment_url, expiresAt: token.token_expires_at },
        () =>
          [
            `Send this URL to the administrator of the peer by a way that you both trust. It works once, for 15 minutes; one before it ends:`,
            "",
            `  ${token.enrollment_url}`,
            "",
            "Whoever uses it gets a new certificate for the same grant, and every certificate before is revoked as superseded.",
          ].join("\n"),
      );
    });
}

/** `mosaic federation grant update` */
export function updateCommand(): Command {
  return gatewayCommand("update", "Give a grant another scope; holds for the next query, on every gateway.", [
    "federation grant update 0190b6e2-… --scope scope.json",
    `federation grant update 0190b6e2-… --scope - <<< '{"resources": ["tasks"], "include_teams": ["T1"]}'`,
  ])
    .argument("<id>", "the grant's id")
    .requiredOption("--scope <file>", "JSON file with the whole new scope, or - for standard input")
    .action(async (id: string, options: CommonOptions & { scope: string }) => {
      const after = readScope(options.scope);
      const before = await withGrant(id, options, async (client) => {
        const { rows } = await client.query<{ scope: Scope }>(
          "select scope from federation.list_grants() where id = $1",
          [id],
        );
        await client.query("select federation.update_grant($1, $2)", [id, JSON.stringify(after)]);
        return rows[0]?.scope ?? {};
      });
      common(options).output.result({ grantId: id, before, after }, () => difference(id, before, after as Scope));
    });
}

type Scope = Record<string, unknown>;

/** The keys of two scopes that differ, side by side; a key that is absent allows nothing, and shows as empty. */
function difference(id: string, before: Scope, after: Scope): string {
  const changed = [...new Set([...Object.keys(before), ...Object.keys(after)])]
    .sort()
    .filter((key) => JSON.stringify(before[key]) !== JSON.stringify(after[key]));
  if (changed.length === 0) {
    return `Grant ${bold(id)} had this scope before; nothing has changed.`;
  }
  const show = (value: unknown): string => (value === undefined ? "" : JSON.stringify(value));
  return [
    `Grant ${bold(id)} has another scope: the peer's next query is answered under it, one that goes on from a cursor, too.`,
    "",
    table(
      ["", "before", "after"],
      changed.map((key) => [key, show(before[key]), show(after[key])]),
    ),
  ].join("\n");
}

/**
 * The scope in a file, or on standard input for `-`; the database checks what it says.
 *
 * @throws FederationError USAGE, SCOPE_INVALID
 */
export function readScope(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new FederationError("USAGE", `the scope file ${file} cannot be read`, { cause });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new FederationError(
      "SCOPE_INVALID",
      `the scope is not JSON: ${cause instanceof Error ? cause.message : ""}`,
      {
        cause,
      },
    );
  }
}

/** Calls an admin function whose first argument is a grant. @throws FederationError USAGE, NOT_FOUND */
export async function changeGrant(
  id: string,
  options: CommonOptions,
  adminFunction: string,
  values: unknown[],
): Promise<void> {
  const placeholders = ["$1", ...values.map((_, index) => `$${index + 2}`)].join(", ");
  await withGrant(id, options, (client) =>
    client.query(`select federation.${adminFunction}(${placeholders})`, [id, ...values]),
  );
}

async function withGrant<T>(id: string, options: CommonOptions, work: (client: Client) => Promise<T>): Promise<T> {
  return ofGrant(id, () => useDatabase(common(options).directory, ({ adminUrl }) => asAdministrator(adminUrl, work)));
}
