import { expect, test } from "vitest";
import { createKnownRevocations } from "../../../src/revocation/known.ts";

const certificate = (serial: string, grantId = "g"): { grantId: string; serial: string } => ({ grantId, serial });

test("what is known from before is refused, until a reading says otherwise", () => {
  const known = createKnownRevocations(["a1"]);
  expect(known.refusalOf(certificate("a1"))?.code).toBe("CERTIFICATE_REVOKED");
  expect(known.refusalOf(certificate("a2"))).toBeUndefined();
  known.read(new Set(["a2"]), known.mark());
  expect(known.refusalOf(certificate("a1"))).toBeUndefined();
  expect(known.refusalOf(certificate("a2"))?.code).toBe("CERTIFICATE_REVOKED");
});

test("what is told is refused at once: a certificate alone, and every one of a grant that ended", () => {
  const known = createKnownRevocations([]);
  expect(known.note({ grant: "g", certificate: "a1", status: "revoked" })).toBe(true);
  expect(known.refusalOf(certificate("a1"))?.code).toBe("CERTIFICATE_REVOKED");
  expect(known.refusalOf(certificate("a2"))).toBeUndefined();
  expect(known.note({ grant: "g", status: "changed" })).toBe(false);
  expect(known.note({ grant: "g", status: "suspended" })).toBe(false);
  // Of so many that they are not named.
  expect(known.note({})).toBe(true);
  expect(known.refusalOf(certificate("a2"))).toBeUndefined();
  expect(known.note({ grant: "g", status: "expired" })).toBe(true);
  expect(known.refusalOf(certificate("a2"))?.code).toBe("GRANT_REVOKED");
});

test("a reading takes the place of what was told before it began, and of nothing that was told since", () => {
  const known = createKnownRevocations([]);
  known.note({ grant: "before", status: "revoked" });
  const mark = known.mark();
  known.note({ grant: "since", status: "revoked" });
  known.read(new Set(["a1"]), mark);
  expect(known.refusalOf(certificate("a1", "before"))?.code).toBe("CERTIFICATE_REVOKED");
  expect(known.refusalOf(certificate("a2", "before"))).toBeUndefined();
  expect(known.refusalOf(certificate("a3", "since"))?.code).toBe("GRANT_REVOKED");
});

test("what is told twice, the second time after a reading began, stays", () => {
  const known = createKnownRevocations([]);
  known.note({ grant: "g", status: "revoked" });
  const mark = known.mark();
  known.note({ grant: "g", status: "revoked" });
  known.read(new Set(), mark);
  expect(known.refusalOf(certificate("a1"))?.code).toBe("GRANT_REVOKED");
});

test("100 000 are kept until they are read, and of more the newest", () => {
  const known = createKnownRevocations([]);
  for (let grant = 0; grant <= 100_000; grant += 1) {
    known.note({ grant: `g${grant}`, status: "revoked" });
  }
  expect(known.refusalOf(certificate("a1", "g0"))).toBeUndefined();
  expect(known.refusalOf(certificate("a1", "g1"))?.code).toBe("GRANT_REVOKED");
  expect(known.refusalOf(certificate("a1", "g100000"))?.code).toBe("GRANT_REVOKED");
});
