import { Client } from "pg";
import { join } from "node:path";
import { freePorts } from "../../src/demo/gateway-process.ts";
import { initGateway } from "../../src/setup/init.ts";
import { useDatabase } from "../../src/setup/use-database.ts";
import { runMosaic } from "../harness/mosaic.ts";
import type { MosaicRun } from "../harness/mosaic.ts";
import { contentOf } from "./content.ts";
import type { DatabaseContent } from "./content.ts";

/** Makes a gateway of tier `local` with the sample application, in a folder named by its host. */
export async function initLocal(folder: string, host: string): Promise<string> {
  const directory = join(folder, host);
  const [federation = 0, open = 0, home = 0] = await freePorts(3);
  await initGateway({
    directory,
    config: {
      version: 2,
      tier: "local",
      host,
      listeners: { federation: { port: federation }, public: { port: open }, home: { port: home } },
      federationUrl: `https://127.0.0.1:${federation}`,
      publicUrl: `https://127.0.0.1:${open}`,
    },
    sample: true,
    log: () => undefined,
  });
  return directory;
}

/** Runs work with a connection of its own. */
export async function onDatabase<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: url });
  // A connection that breaks shows at the statement that runs, or at the next one.
  client.on("error", () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Runs statements as the administrator of a gateway's database. */
export async function execute(directory: string, ...statements: string[]): Promise<void> {
  await useDatabase(directory, ({ adminUrl }) =>
    onDatabase(adminUrl, async (client) => {
      for (const statement of statements) {
        await client.query(statement);
      }
    }),
  );
}

/** The content of a gateway's database. */
export function contentOfGateway(directory: string): Promise<DatabaseContent> {
  return useDatabase(directory, ({ adminUrl }) => contentOf(adminUrl));
}

/** Moves a gateway with the command. */
export function move(from: string, to: string, ...rest: string[]): Promise<MosaicRun> {
  return runMosaic(["migrate-to-federated", "--from", from, "--to", to, "--json", ...rest]);
}

/** The schemas that somebody made in a database, and `public`. */
export function schemasOf(url: string): Promise<string[]> {
  return onDatabase(url, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      "select nspname as name from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema'",
    );
    return rows.map(({ name }) => name);
  });
}
