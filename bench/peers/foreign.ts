import { onDatabase } from "../world/gateway.ts";
import { SUBJECT, teamsInScope } from "../world/rows.ts";
import { FOREIGN_CERTIFICATE, SCOPES } from "../world/server.ts";
import type { Stage } from "../stage.ts";
import { FOREIGN_READER } from "./statements.ts";

/** The foreign table for so many teams in scope. */
export function foreignTable(teams: number): string {
  return `scope_${teams}.tasks`;
}

/** Makes a database that reads another's tasks by postgres_fdw, over TLS with a client certificate. Returns its connection string. */
export function foreignServer(stage: Stage, rows: number): Promise<string> {
  return stage.once(`foreign ${rows}`, async () => {
    const { databaseUrl } = await stage.loaded(rows);
    const name = `bench_foreign_${rows}`;
    await onDatabase(stage.server.url("postgres"), async (client) => {
      await client.query(`drop database if exists ${name} with (force)`);
      await client.query(`create database ${name}`);
    });
    const url = stage.server.url(name);
    await onDatabase(url, async (client) => {
      await client.query("create extension postgres_fdw");
      for (const teams of SCOPES) {
        await client.query(foreignSql(stage, databaseUrl, teams));
      }
    });
    return url;
  });
}

function foreignSql({ certificates }: Stage, databaseUrl: string, teams: number): string {
  const { port, pathname } = new URL(databaseUrl);
  const client = certificates.clients.get(FOREIGN_CERTIFICATE);
  return `
    create server scope_${teams} foreign data wrapper postgres_fdw options (
      host '127.0.0.1', port '${port}', dbname '${pathname.slice(1)}', sslmode 'verify-full', sslrootcert '${certificates.caFile}',
      options '-c app.user_id=${SUBJECT} -c bench.teams=${teamsInScope(teams).join(",")}'
    );
    create user mapping for current_user server scope_${teams} options (
      user '${FOREIGN_READER}', sslcert '${client?.certFile ?? ""}', sslkey '${client?.keyFile ?? ""}'
    );
    create schema scope_${teams};
    create foreign table ${foreignTable(teams)} (
      id uuid, title text, body text, status text, priority integer, due_on date, owner_id text, team_id text, project_id uuid,
      created_at timestamptz
    ) server scope_${teams} options (schema_name 'app', table_name 'tasks')`;
}
