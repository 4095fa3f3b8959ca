import { closeSync, fsyncSync, openSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { FederationError } from "../errors.ts";

const revocation = z.object({
  /** Hex. */
  serial: z.string(),
  grant: z.string().nullable(),
  /** A name of RFC 5280 §5.3.1. */
  reason: z.string(),
  revokedAt: z.iso.datetime({ offset: true }),
  notAfter: z.iso.datetime({ offset: true }),
});

const published = z.object({
  version: z.literal(1),
  /** How many revocations there had been, ever. */
  lastRevocation: z.int().min(0),
  crlNumber: z.int().min(0),
  revoked: z.array(revocation),
});

/** A certificate that a gateway has said is revoked. */
export type PublishedRevocation = z.output<typeof revocation>;

/**
 * What a gateway last said of revocations, kept in its directory beside the database: a database that is restored from a backup must not
 * take any of it back.
 */
export type Published = z.output<typeof published>;

/**
 * Reads what was last published; undefined where nothing was.
 *
 * @throws FederationError CONFIG_INVALID where the file is not as it was written: what it said is not known then
 */
export function readPublished(file: string): Published | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") {
      return undefined;
    }
    throw new FederationError("CONFIG_INVALID", `${file} cannot be read`, { cause });
  }
  try {
    return published.parse(JSON.parse(text));
  } catch (cause) {
    throw new FederationError(
      "CONFIG_INVALID",
      `${file} is damaged: it says which certificates this gateway has published as revoked; bring it back from a backup, or delete it once you have made sure that the database is the newest`,
      { cause },
    );
  }
}

/** What was published, as a process reads it again and again: others of the same gateway, a worker, write it, too. */
export interface PublishedRecord {
  /** @throws FederationError CONFIG_INVALID as `readPublished` does */
  read(): Published | undefined;
  /** Writes it whole or not at all, and durably: before what it says is published. */
  write(said: Published): void;
}

/** The file is read again where it is another one than it was. */
export function openPublished(file: string): PublishedRecord {
  let known: { version: string; said: Published } | undefined;
  return {
    read: () => {
      const version = versionOf(file);
      if (known === undefined || known.version !== version) {
        const said = readPublished(file);
        known = version === undefined || said === undefined ? undefined : { version, said };
      }
      return known?.said;
    },
    write: (said) => {
      writeFileSync(`${file}.tmp`, `${JSON.stringify(said)}\n`, { mode: 0o600, flush: true });
      renameSync(`${file}.tmp`, file);
      // The name is as durable as the bytes only once its directory is.
      const directory = openSync(dirname(file), "r");
      try {
        fsyncSync(directory);
      } finally {
        closeSync(directory);
      }
      const version = versionOf(file);
      known = version === undefined ? undefined : { version, said };
    },
  };
}

/** Each time that it is written, the file is a new one. */
function versionOf(file: string): string | undefined {
  const stat = statSync(file, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? undefined : `${stat.ino}:${stat.size}:${stat.mtimeNs}:${stat.ctimeNs}`;
}

/** What was published and the database does not know; empty where it is as new as what was published, or newer. */
export interface Lost {
  revoked: PublishedRevocation[];
  /** By how many revocations the database is behind. */
  behind: number;
}

/** Whether the database does not know all that was published. */
export function isLost({ revoked, behind }: Lost): boolean {
  return revoked.length > 0 || behind > 0;
}

/**
 * Compares a database with what was published.
 *
 * @param now.revocationEpoch how many revocations the database has counted
 * @param now.revokedSerials those that it lists
 * @param now.at the database's time: what has ended since is in no list any more
 */
export function lostSince(
  said: Published | undefined,
  now: { revocationEpoch: number; revokedSerials: ReadonlySet<string>; at: Date },
): Lost {
  if (said === undefined) {
    return { revoked: [], behind: 0 };
  }
  return {
    revoked: said.revoked.filter(
      ({ serial, notAfter }) => !now.revokedSerials.has(serial) && new Date(notAfter).getTime() > now.at.getTime(),
    ),
    behind: Math.max(0, said.lastRevocation - now.revocationEpoch),
  };
}
