import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { Peer } from "../../../src/client/peer.ts";
import { createRevocationNews } from "../../../src/client/revocation-news.ts";
import type { RevocationNews } from "../../../src/client/revocation-news.ts";
import { startDeadline } from "../../../src/deadline.ts";
import { asFederationError, FederationError } from "../../../src/errors.ts";
import { subjectNameOf } from "../../../src/pki/certificate.ts";
import { createCsr } from "../../../src/pki/csr.ts";
import { encode, encodeAll, IDENTIFIER } from "../../../src/pki/der-bytes.ts";
import { derToPem, write, writeDer } from "../../../src/pki/der.ts";
import { ECDSA_WITH_SHA256, generateKeyPair, signatureOf } from "../../../src/pki/keys.ts";
import { IDENTITY, issued } from "../pki/craft.ts";

const open: (() => void)[] = [];
afterEach(() => {
  open.splice(0).forEach((close) => {
    close();
  });
});

/** A gateway that shows lists: by TLS, under a root of its own, as often as it is asked. */
async function gateway(answer: (response: ServerResponse) => void = () => undefined) {
  const made = await issued();
  const key = generateKeyPair();
  const { certificatePem } = await made.authority.issueServerCertificate({
    csrPem: createCsr({ privateKeyPem: key.privateKeyPem, commonName: "work.example" }),
    names: ["127.0.0.1"],
    lifetimeSeconds: 3_600,
  });
  const seen = { asked: 0, answer };
  const server = createServer({ cert: certificatePem, key: key.privateKeyPem }, (_request, response) => {
    seen.asked += 1;
    seen.answer(response);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const rootPem = derToPem(made.root.certificateDer, "CERTIFICATE");
  const peer = (serial: string): Peer => ({
    id: `peer ${serial}`,
    host: IDENTITY.host,
    federationUrl: url,
    publicUrl: url,
    grantId: IDENTITY.grantId,
    rootPem,
    certificateChainPem: [made.client.certificatePem],
    certificateSerial: serial,
    trustedRootsPem: [],
    certificateEnded: false,
    certificateNotAfter: new Date(Date.now() + 86_400_000),
    sealedKey: Buffer.alloc(0),
    state: "active",
    cacheTtlSeconds: null,
  });
  const list = async (...serials: string[]): Promise<string> => {
    const revoked = serials.map((serial) => ({ serial, revokedAt: new Date(), reason: "privilegeWithdrawn" }));
    return derToPem((await made.authority.publishCrl({ number: 1, revoked })).der, "X509 CRL");
  };
  return { seen, peer, list, root: made.root };
}

/** A list of so many entries, each of the fewest bytes that an entry may have, PEM. */
function longList(root: { certificateDer: Buffer; privateKeyDer: Buffer }, entries: number): string {
  const entry = (index: number): Buffer => {
    const der = Buffer.from("3006020400000000", "hex");
    der.writeUInt32BE(0x10000000 + index, 4);
    return der;
  };
  const algorithm = writeDer(write.sequence(write.oid(ECDSA_WITH_SHA256)));
  const toBeSigned = encode(
    IDENTIFIER.sequence,
    writeDer(write.integer(Buffer.of(1))),
    algorithm,
    subjectNameOf(root.certificateDer),
    writeDer(write.time(new Date())),
    writeDer(write.time(new Date(Date.now() + 86_400_000))),
    encodeAll(
      IDENTIFIER.sequence,
      Array.from({ length: entries }, (_, index) => entry(index)),
    ),
  );
  const signature = writeDer(write.bits(signatureOf(toBeSigned, root.privateKeyDer)));
  return derToPem(encode(IDENTIFIER.sequence, toBeSigned, algorithm, signature), "X509 CRL");
}

/** What becomes of a failure of the network below HTTP. */
async function explained(news: RevocationNews, peer: Peer, ms = 10_000): Promise<string> {
  const deadline = startDeadline(ms);
  try {
    return (await news.explain(peer, new FederationError("PEER_UNREACHABLE", "gone"), deadline)).code;
  } catch (error) {
    return `threw ${asFederationError(error).code}`;
  } finally {
    deadline.end();
  }
}
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("the list of an issuer", () => {
  test("is fetched once for all of its peers, each of which learns of its own certificate", async () => {
    const { seen, peer, list } = await gateway();
    const text = await list("0a", "0b");
    seen.answer = (response) => response.end(text);
    const news = createRevocationNews();
    const asked = ["0a", "0b", "0c", ...Array.from({ length: 50 }, (_, index) => `1${index % 10}`)];
    const codes = await Promise.all(asked.map((serial) => explained(news, peer(serial))));
    expect(codes.slice(0, 3)).toEqual(["GRANT_REVOKED", "GRANT_REVOKED", "PEER_UNREACHABLE"]);
    expect(await explained(news, peer("0b"))).toBe("GRANT_REVOKED");
    expect(seen.asked).toBe(1);
  });

  test("is not fetched again before a pause that is many times what it took, so that a slow one costs little", async () => {
    const { seen, peer, list } = await gateway();
    const text = await list("0a");
    seen.answer = (response) => setTimeout(() => response.end(text), 300);
    const news = createRevocationNews();
    expect(await explained(news, peer("0a"))).toBe("GRANT_REVOKED");
    await sleep(2_000);
    expect(await explained(news, peer("0a"))).toBe("GRANT_REVOKED");
    expect(seen.asked).toBe(1);
  });

  test("is not fetched again before its pause either where it is too long to be kept, and is looked at when it comes", async () => {
    const { seen, peer, root } = await gateway();
    const text = longList(root, 600_000);
    seen.answer = (response) => response.end(text);
    const news = createRevocationNews();
    expect(await explained(news, peer("10000007"))).toBe("CERTIFICATE_REVOKED");
    for (let again = 0; again < 4; again += 1) {
      expect(await explained(news, peer("10000007"))).toBe("PEER_UNREACHABLE");
    }
    expect(seen.asked).toBe(1);
  });

  test("that comes fast is fetched again after a second: what was revoked since is in it", async () => {
    const { seen, peer, list } = await gateway();
    const [before, after] = [await list(), await list("0a")];
    seen.answer = (response) => response.end(before);
    const news = createRevocationNews();
    expect(await explained(news, peer("0a"))).toBe("PEER_UNREACHABLE");
    seen.answer = (response) => response.end(after);
    await expect.poll(() => explained(news, peer("0a")), { timeout: 20_000, interval: 500 }).toBe("GRANT_REVOKED");
  });

  test("that never comes holds up nobody else's, not even one that is said to be at the same address", async () => {
    const [silent, honest] = [await gateway(), await gateway()];
    const text = await honest.list("0a");
    honest.seen.answer = (response) => response.end(text);
    const news = createRevocationNews();
    const pretended = { ...silent.peer("0a"), publicUrl: honest.peer("0a").publicUrl };
    const waiting = [explained(news, silent.peer("0a"), 1_000), explained(news, pretended)];
    expect(await explained(news, honest.peer("0a"))).toBe("GRANT_REVOKED");
    expect(await Promise.all(waiting)).toEqual(["PEER_UNREACHABLE", "PEER_UNREACHABLE"]);
  });

  test("is waited for by each who asks as long as he has time, whoever asked first", async () => {
    const { seen, peer, list } = await gateway();
    const text = await list("0a");
    seen.answer = (response) => setTimeout(() => response.end(text), 300);
    const news = createRevocationNews();
    const hasty = explained(news, peer("0a"), 20);
    expect(await explained(news, peer("0a"))).toBe("GRANT_REVOKED");
    expect(await hasty).toBe("PEER_UNREACHABLE");
    expect(seen.asked).toBe(1);
  });

  test("is not read to its end where it is longer than 8 MiB, nor looked for among more than 16 lists", async () => {
    const { seen, peer, list } = await gateway();
    const [text, other] = [await list("0a"), await (await gateway()).list()];
    const answers = [text + " ".repeat(8 * 1024 * 1024), other.repeat(16) + text, other.repeat(15) + text];
    const codes = [];
    for (const answer of answers) {
      seen.answer = (response) => response.end(answer);
      codes.push(await explained(createRevocationNews(), peer("0a")));
    }
    expect(codes).toEqual(["PEER_UNREACHABLE", "PEER_UNREACHABLE", "GRANT_REVOKED"]);
  });

  test("is asked for by nobody whose certificate was signed by nobody whom we know", async () => {
    const { seen, peer } = await gateway();
    const stranger = { ...peer("0a"), certificateChainPem: [(await issued()).client.certificatePem] };
    expect(await explained(createRevocationNews(), stranger)).toBe("PEER_UNREACHABLE");
    expect(seen.asked).toBe(0);
  });
});
