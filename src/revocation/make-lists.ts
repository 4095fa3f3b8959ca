import type { PoolClient } from "pg";
import { FederationError } from "../errors.ts";
import type { CertificateAuthority } from "../pki/authority.ts";
import type { PublishedList } from "./lists.ts";
import { isLost, lostSince } from "./published.ts";
import type { Lost, PublishedRecord, PublishedRevocation } from "./published.ts";

/** The certificate authority gave a list that is older than the one that it gave before. */
export class ListIsBehind extends FederationError {
  constructor(list: PublishedList) {
    super(
      "UNAVAILABLE",
      `The certificate authority gave the list ${list.number}, which is older than the one that is published.`,
    );
  }
}

/**
 * One reading, and a list of each who signs: in one transaction, in which no other process makes one. Each list names all that is revoked,
 * whoever signed it: around a change of authorities that is not known for sure, and no serial number is given out twice.
 *
 * @param client of a gateway, in a transaction
 * @param options.record what was published; it is read anew, for another process of this gateway may have published more
 * @param options.onReading called before anything is read that is revoked
 * @param options.onRead told what is revoked, or was published as revoked, and what the database has lost of it
 * @throws FederationError UNAVAILABLE where the database has lost what was published, or an authority is away; ListIsBehind
 */
export async function makeLists(
  client: PoolClient,
  options: {
    authorities: readonly CertificateAuthority[];
    record: PublishedRecord;
    onReading: () => void;
    onRead: (read: { serials: ReadonlySet<string>; lost: Lost }) => void;
  },
): Promise<PublishedList[]> {
  const { authorities, record } = options;
  const signers: {
    authority: CertificateAuthority;
    next: { authority_id: string; number: string; last_revocation: string };
  }[] = [];
  for (const authority of authorities) {
    const { rows } = await client.query<{ authority_id: string; number: string; last_revocation: string }>(
      "select authority_id, number, last_revocation from federation.begin_crl($1)",
      [authority.rootFingerprint],
    );
    const [next] = rows;
    if (next === undefined) {
      throw new FederationError("UNAVAILABLE", "The certificate authority is not known to the database.");
    }
    signers.push({ authority, next });
  }
  const said = record.read();
  const numberOf = (next: { number: string }): number => Math.max(Number(next.number), (said?.crlNumber ?? 0) + 1);
  options.onReading();
  const revoked = await readRevoked(client);
  const serials = new Set(revoked.map(({ serial }) => serial));
  const { rows: time } = await client.query<{ epoch: string; at: Date }>(
    "select federation.revocation_epoch() as epoch, clock_timestamp() as at",
  );
  const lost = lostSince(said, {
    revocationEpoch: Number(time[0]?.epoch),
    revokedSerials: serials,
    at: time[0]?.at ?? new Date(),
  });
  // What was published stays refused until an administrator has looked at it.
  options.onRead({ serials: new Set([...serials, ...lost.revoked.map(({ serial }) => serial)]), lost });
  if (isLost(lost)) {
    throw new FederationError("UNAVAILABLE", "The database has lost revocations that were published.");
  }
  const before = new Set(said?.revoked.map(({ serial }) => serial));
  const isNews = before.size !== revoked.length || revoked.some(({ serial }) => !before.has(serial));
  const keepRecord = (crlNumber: number): void => {
    record.write({
      version: 1,
      lastRevocation: Math.max(said?.lastRevocation ?? 0, ...signers.map(({ next }) => Number(next.last_revocation))),
      crlNumber: Math.max(said?.crlNumber ?? 0, crlNumber),
      revoked,
    });
  };
  // Before an authority is asked: one that is away must not keep what is refused here from outliving a restored database.
  const kept = Math.max(...signers.map(({ next }) => numberOf(next)));
  if (isNews) {
    keepRecord(kept);
  }
  // The list of one whose key cannot be unsealed here is made by other gateways.
  const able = signers.filter(({ authority }) => authority.isSealed !== true);
  if (able.length === 0) {
    throw new FederationError("UNAVAILABLE", "No certificate authority can sign a revocation list here.");
  }
  const named = revoked.map(({ serial, revokedAt, reason }) => ({ serial, revokedAt: new Date(revokedAt), reason }));
  const made: (PublishedList & { id: string })[] = [];
  for (const { authority, next } of able) {
    const number = numberOf(next);
    for (const signer of [authority, ...(authority.before === undefined ? [] : [authority.before])]) {
      const crl = await signer.publishCrl({ revoked: named, number });
      made.push({ ...crl, authority: authority.rootFingerprint, kind: signer.kind, id: next.authority_id });
    }
  }
  const highest = Math.max(...made.map(({ number }) => number));
  if (isNews && highest > kept) {
    keepRecord(highest);
  }
  for (const { id, ...list } of made) {
    await store(client, id, list);
  }
  return made;
}

async function store(client: PoolClient, authorityId: string, list: PublishedList): Promise<void> {
  const { rows } = await client.query<{ kept: boolean }>(
    "select federation.store_crl($1, $2, $3, $4, $5, $6, $7) as kept",
    [authorityId, list.kind, list.issuer, list.number, list.der, list.thisUpdate, list.nextUpdate],
  );
  if (rows[0]?.kept !== true) {
    throw new ListIsBehind(list);
  }
}

/** Every certificate that is revoked and has not ended. */
export async function readRevoked(client: PoolClient): Promise<PublishedRevocation[]> {
  const { rows } = await client.query<{
    serial: string;
    grant_id: string | null;
    revoked_at: Date;
    revocation_reason: string;
    not_after: Date;
  }>("select serial, grant_id, revoked_at, revocation_reason, not_after from federation.revoked_certificates()");
  return rows.map((row) => ({
    serial: row.serial,
    grant: row.grant_id,
    reason: row.revocation_reason,
    revokedAt: row.revoked_at.toISOString(),
    notAfter: row.not_after.toISOString(),
  }));
}
