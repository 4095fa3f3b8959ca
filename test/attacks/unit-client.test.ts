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
import { createCsr } from "../../../src/pki/csr.ts";
import { derToPem } from "../../../src/pki/der.ts";
import { generateKeyPair } from "../../../src/pki/keys.ts";
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
  return { seen, peer, list, made };
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


import { signatureOf } from "../../../src/pki/keys.ts";
import { encode, encodeAll, IDENTIFIER } from "../../../src/pki/der-bytes.ts";
import { subjectNameOf } from "../../../src/pki/certificate.ts";
import { write, writeDer } from "../../../src/pki/der.ts";
import { ECDSA_WITH_SHA256 } from "../../../src/pki/keys.ts";
test("R1 a list of more entries than are kept has no pause", async () => {
  const { seen, peer, made } = await gateway();
  for (const n of [400_000, 600_000]) {
    const entries: Buffer[] = [];
    for (let i = 0; i < n; i += 1) { const b = Buffer.alloc(8); b.writeUInt32BE(0x10000000 + i, 4); b[0]=0x30; b[1]=6; b[2]=2; b[3]=4; entries.push(b); }
    const alg = writeDer(write.sequence(write.oid(ECDSA_WITH_SHA256)));
    const tbs = encode(IDENTIFIER.sequence, writeDer(write.integer(Buffer.of(1))), alg, subjectNameOf(made.root.certificateDer), writeDer(write.time(new Date())), writeDer(write.time(new Date(Date.now() + 86400000))), encodeAll(IDENTIFIER.sequence, entries));
    const der = encode(IDENTIFIER.sequence, tbs, alg, writeDer(write.bits(signatureOf(tbs, made.root.privateKeyDer))));
    const text = derToPem(der, "X509 CRL");
    seen.answer = (response) => response.end(text);
    seen.asked = 0;
    const news = createRevocationNews();
    const times: number[] = [];
    for (let k = 0; k < 5; k += 1) { const at = performance.now(); await explained(news, peer("0a")); times.push(Math.round(performance.now() - at)); }
    console.log(n, "bytes", text.length, "asked", seen.asked, times);
  }
}, 60000);
