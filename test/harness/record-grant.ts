import { X509Certificate } from "node:crypto";
import type { Pool } from "pg";
import { mixedCredentials } from "../../src/demo/actors.ts";
import type { Credentials, Signer } from "../../src/demo/actors.ts";
import { fingerprintOf } from "../../src/pki/der.ts";

/** A grant as enrollment leaves it, without the limit of attempts that one address has, and with as many requests as it likes. */
export async function recordGrant(
  database: Pool,
  signer: Signer,
  subject: string,
  scope: unknown,
): Promise<Credentials & { grantId: string }> {
  const { rows } = await database.query<{ grant_id: string; enrollment_token: string }>(
    "select grant_id, enrollment_token from federation.create_grant($1, 'home.localhost', $2)",
    [subject, JSON.stringify(scope)],
  );
  const [made] = rows;
  if (made === undefined) {
    throw new Error("no grant was made");
  }
  const credentials = await mixedCredentials(signer, made.grant_id, subject);
  const { serialNumber, raw, validFrom, validTo } = new X509Certificate(credentials.certificate);
  const client = await database.connect();
  try {
    await client.query("begin");
    await client.query("select federation.redeem_enrollment_token($1)", [made.enrollment_token]);
    const values = [serialNumber.toLowerCase(), made.grant_id, fingerprintOf(raw), validFrom, validTo];
    await client.query("select federation.record_certificate($1, $2, $3, $4, $5)", values);
    await client.query("select federation.set_grant_limits($1, 1000000, null)", [made.grant_id]);
    await client.query("commit");
  } finally {
    client.release();
  }
  return { grantId: made.grant_id, ...credentials };
}
