import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startGatewayProcess } from "../src/demo/gateway-process.ts";
import type { GatewayProcess } from "../src/demo/gateway-process.ts";
import { startPostgresServer } from "../test/harness/postgres-server.ts";
import type { PostgresServer } from "../test/harness/postgres-server.ts";
import type { Closers } from "./closers.ts";
import { startGenerator } from "./load/generator.ts";
import type { Generator } from "./load/generator.ts";
import type { Options } from "./options.ts";
import { prepareReaders } from "./peers/statements.ts";
import { makeCertificates } from "./world/certificates.ts";
import type { Certificates } from "./world/certificates.ts";
import { enrollPeer, loadGateway } from "./world/gateway.ts";
import type { EnrolledPeer, LoadedGateway } from "./world/gateway.ts";
import { certificateName, FOREIGN_CERTIFICATE, SCOPES, serverSettings } from "./world/server.ts";

/** What measures stand on: one PostgreSQL, the load generator, and gateways and peers that are started when they are first needed. */
export interface Stage {
  options: Options;
  log: (line: string) => void;
  /** Aborts when the run is to end. */
  signal: AbortSignal;
  /** The program and arguments that are `mosaic`, from its sources. */
  mosaic: readonly string[];
  /** The same as it is installed; in quick runs, which build nothing, from its sources. */
  mosaicBuilt: readonly string[];
  server: PostgresServer;
  generator: Generator;
  certificates: Certificates;
  closers: Closers;
  /** A folder that goes at the end. */
  folder: string;
  /** A gateway's directory and database with so many rows. */
  loaded(rows: number): Promise<LoadedGateway>;
  /** Whether it was asked for. */
  isLoaded(rows: number): boolean;
  /** Its process. */
  gateway(rows: number): Promise<GatewayProcess>;
  /** A grant of it with so many teams in scope, enrolled. */
  grant(rows: number, teams: number): Promise<EnrolledPeer>;
  /** What is opened once and closed at the end. */
  once<T>(key: string, open: () => Promise<T>): Promise<T>;
}

/** Where what takes long to load is kept between runs. */
const KEPT = join(import.meta.dirname, "..", ".bench");

/** Smaller tables are loaded anew, so that no audit row of an earlier run is there; larger ones are only read. */
const KEPT_FROM = 100_000;

/** Opens the stage. Whoever calls closes `closers`, whether this throws or not. */
export async function openStage(given: {
  options: Options;
  log: (line: string) => void;
  signal: AbortSignal;
  mosaic: readonly string[];
  mosaicBuilt: readonly string[];
  closers: Closers;
  /** Settings of PostgreSQL beside the usual ones. */
  settings?: Record<string, string>;
}): Promise<Stage> {
  const { options, log, closers, mosaic } = given;
  const folder = mkdtempSync(join(tmpdir(), "mosaic-bench-"));
  // PostgreSQL's user has to pass through it.
  chmodSync(folder, 0o711);
  closers.add(() => {
    rmSync(folder, { recursive: true, force: true });
  });
  const kept = options.quick ? folder : KEPT;
  const serverFolder = join(kept, "postgres");
  mkdirSync(serverFolder, { recursive: true });
  const tls = join(serverFolder, "tls");
  rmSync(tls, { recursive: true, force: true });
  const certificates = await makeCertificates(tls, [...SCOPES.map(certificateName), FOREIGN_CERTIFICATE]);
  log("PostgreSQL starts");
  const server = await startPostgresServer({
    folder: serverFolder,
    settings: { ...serverSettings(options, certificates, serverFolder), ...given.settings },
  });
  closers.add(() => server.stop());
  const generator = startGenerator();
  closers.add(() => generator.stop());

  const opened = new Map<string, Promise<unknown>>();
  const once = <T>(key: string, open: () => Promise<T>): Promise<T> => {
    const known = (opened.get(key) ?? open()) as Promise<T>;
    opened.set(key, known);
    return known;
  };
  const loaded = (rows: number): Promise<LoadedGateway> =>
    once(`loaded ${rows}`, async () => {
      const made = await loadGateway({
        url: (database) => server.url(database),
        name: `rows${rows}`,
        directory: join(rows < KEPT_FROM ? folder : kept, "gateways", String(rows)),
        rows,
        log: (line) => {
          // Between two parts of what is loaded.
          given.signal.throwIfAborted();
          log(line);
        },
      });
      await prepareReaders(made.databaseUrl);
      return made;
    });
  const gateway = (rows: number): Promise<GatewayProcess> =>
    once(`gateway ${rows}`, async () => {
      const { directory } = await loaded(rows);
      log(`the gateway on ${rows} rows starts`);
      const started = await startGatewayProcess(mosaic, directory);
      closers.add(() => started.stop());
      return started;
    });
  return {
    ...given,
    server,
    generator,
    certificates,
    folder,
    loaded,
    isLoaded: (rows) => opened.has(`loaded ${rows}`),
    gateway,
    grant: (rows, teams) =>
      once(`grant ${rows} ${teams}`, async () => {
        await gateway(rows);
        return enrollPeer((await loaded(rows)).directory, teams);
      }),
    once,
  };
}
