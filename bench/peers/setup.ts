import { readFileSync, writeFileSync } from "node:fs";

/** What a peer's process is told. */
export interface PeerSetup {
  /** Of the database that it reads, as bench_reader. */
  databaseUrl: string;
  databaseConnections: number;
  port: number;
  caFile: string;
  serverCertFile: string;
  serverKeyFile: string;
  /** By common name of the client's certificate: whose rights hold, and the teams in scope. */
  grants: Record<string, { subject: string; teams: string[] }>;
  /** Whether another server ends TLS before it and says the client's name in a header. */
  behindProxy: boolean;
}

/** The header by which a proxy says the common name of the client's certificate. */
export const CLIENT_HEADER = "x-client-name";

/** Reads what a peer's process was started with. */
export function readSetup(file: string | undefined): PeerSetup {
  return JSON.parse(readFileSync(file ?? "", "utf8")) as PeerSetup;
}

/** Writes it. */
export function writeSetup(file: string, setup: PeerSetup): void {
  writeFileSync(file, JSON.stringify(setup), { mode: 0o600 });
}
