import type { PostgresServer } from "../../test/harness/postgres-server.ts";
import type { ServerFiles } from "./server.ts";
import type { Teams } from "./sizes.ts";
import { asAdmin } from "./work.ts";
import type { Work } from "./work.ts";

/**
 * A second database that reads the first through postgres_fdw, over TLS with a client certificate, under the policies that believe settings.
 *
 * @returns the connection string of the second database
 */
export async function openForeign(
  server: PostgresServer & { files: ServerFiles },
  { rows, adminUrl, grants }: Work,
  teams: Teams,
): Promise<string> {
  const [name, there] = [`bench_foreign_${rows}`, `bench_${rows}`];
  const { subject, grantId } = grants[teams];
  await asAdmin(adminUrl, async (admin) => {
    await admin.query(
      `do $$ begin create role fdw_reader login in role stock_reader; exception when duplicate_object then null; end $$;
       alter role fdw_reader in database ${there} set stock.subject = '${subject}';
       alter role fdw_reader in database ${there} set stock.grant_id = '${grantId}'`,
    );
    await admin.query(`drop database if exists ${name} with (force)`);
    await admin.query(`create database ${name}`);
  });
  const { root, certificate, key } = server.files;
  await asAdmin(server.url(name), (admin) =>
    admin.query(
      `create extension postgres_fdw;
       create server there foreign data wrapper postgres_fdw options (
         host '127.0.0.1', port '${new URL(adminUrl).port}', dbname '${there}', sslmode 'verify-full', sslrootcert '${root}'
       );
       create user mapping for current_user server there options (
         user 'fdw_reader', sslcert '${certificate}', sslkey '${key}', password_required 'false'
       );
       import foreign schema work limit to (tasks) from server there into public`,
    ),
  );
  return server.url(name);
}
