import { chmodSync, writeFileSync } from "node:fs";
import { totalmem } from "node:os";
import { join } from "node:path";
import type { Options } from "../options.ts";
import { FOREIGN_READER } from "../peers/statements.ts";
import type { Certificates } from "./certificates.ts";

/** Teams in scope that are measured. */
export const SCOPES = [1, 10, 100] as const;

/** The common name of a peer's client whose scope has so many teams. */
export function certificateName(teams: number): string {
  return `scope-${teams}`;
}

/** Of the client that another PostgreSQL is. */
export const FOREIGN_CERTIFICATE = FOREIGN_READER;

/**
 * The settings that all are measured on: what commits is durable, memory is an eighth of the machine's, and TLS with client certificates is there
 * for postgres_fdw.
 */
export function serverSettings(options: Options, certificates: Certificates, folder: string): Record<string, string> {
  const hba = join(folder, "pg_hba.conf");
  writeFileSync(
    hba,
    `hostssl all ${FOREIGN_READER} 127.0.0.1/32 cert
host all all 127.0.0.1/32 scram-sha-256
local all all scram-sha-256
`,
  );
  chmodSync(hba, 0o644);
  const memory = options.quick ? 256 : Math.floor(totalmem() / 2 ** 20 / 8);
  return {
    fsync: "on",
    synchronous_commit: "on",
    full_page_writes: "on",
    shared_buffers: `${memory}MB`,
    effective_cache_size: `${memory * 4}MB`,
    max_wal_size: "8GB",
    random_page_cost: "1.1",
    hba_file: hba,
    ssl: "on",
    ssl_ca_file: certificates.caFile,
    ssl_cert_file: certificates.serverCertFile,
    ssl_key_file: certificates.serverKeyFile,
  };
}
