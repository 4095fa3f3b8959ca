import { chmodSync, chownSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startPostgresServer } from "../../test/harness/postgres-server.ts";
import type { PostgresServer } from "../../test/harness/postgres-server.ts";
import type { ServerTls } from "../peers/tls.ts";
import { cacheFolder } from "./cache.ts";

const NOBODY = 65_534;

/** Files by which postgres_fdw reaches a database of this server over TLS with a client certificate. */
export interface ServerFiles {
  root: string;
  certificate: string;
  key: string;
}

/**
 * The server of all measurements, PostgreSQL 18 as the package brings it, with its data kept between runs.
 *
 * @param tls of this run; over TCP without TLS the server is reached by password
 */
export async function openServer(tls: ServerTls): Promise<PostgresServer & { files: ServerFiles }> {
  const folder = join(cacheFolder(), "postgres");
  mkdirSync(folder, { recursive: true });
  const put = (name: string, text: string): string => {
    const file = join(folder, name);
    writeFileSync(file, text);
    chmodSync(file, 0o600);
    if (process.getuid?.() === 0) {
      chownSync(file, NOBODY, NOBODY);
    }
    return file;
  };
  const files = {
    root: put("root.pem", tls.rootPem),
    certificate: put("client.pem", tls.client.certificate),
    key: put("client.key", tls.client.key),
  };
  const access = put(
    "access.conf",
    ["hostssl all fdw_reader 127.0.0.1/32 trust clientcert=verify-ca", "host all all 127.0.0.1/32 scram-sha-256"].join(
      "\n",
    ),
  );
  const server = await startPostgresServer({
    keep: folder,
    settings: {
      shared_buffers: "4GB",
      max_wal_size: "8GB",
      hba_file: access,
      ssl: "on",
      ssl_ca_file: files.root,
      ssl_cert_file: put("server.pem", tls.certificate),
      ssl_key_file: put("server.key", tls.key),
    },
  });
  return { ...server, files };
}
