import { X509Certificate } from "node:crypto";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { AddressInfo } from "node:net";
import { connect } from "node:tls";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { CertificateAuthority, IssuedCertificate } from "../../../src/pki/authority.ts";
import { createCsr } from "../../../src/pki/csr.ts";
import { derToPem } from "../../../src/pki/der.ts";
import { createEmbeddedAuthority, createRoot, crossCertify } from "../../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../../src/pki/keys.ts";
import { verifyIssued } from "../../../src/pki/verify.ts";
import { ARC, codeOf, IDENTITY } from "./craft.ts";
import { hasOpenssl, openssl } from "./openssl.ts";

const CRL_URL = "https://work.example/crl";
const DAY_MS = 86_400_000;
const [OLDER_NAME, NEWER_NAME] = ["work.example federation root", "work.example federation root 2"];
const key = generateKeyPair();
const csrPem = createCsr({ privateKeyPem: key.privateKeyPem, commonName: "anything" });

/** A root that took over from another. */
interface Rotated {
  older: CertificateAuthority;
  newer: CertificateAuthority;
  cross: X509Certificate;
  stranger: CertificateAuthority;
}
function rotate({ lifetimeDays = 3650, authoritiesBelow = 1 } = {}): Rotated {
  const first = createRoot({ commonName: OLDER_NAME, lifetimeDays, authoritiesBelow });
  const second = createRoot({ commonName: NEWER_NAME, lifetimeDays: 3650 });
  const crossCertificateDer = crossCertify({ ...second, commonName: NEWER_NAME }, first);
  const common = { oidArc: ARC, crlUrl: CRL_URL };
  return {
    older: createEmbeddedAuthority({ ...first, ...common }),
    newer: createEmbeddedAuthority({ ...second, ...common, crossCertificateDer }),
    cross: new X509Certificate(crossCertificateDer),
    // It has the name of the older root, and nothing else of it.
    stranger: createEmbeddedAuthority({ ...createRoot({ commonName: OLDER_NAME, lifetimeDays: 3650 }), ...common }),
  };
}
const clientOf = (authority: CertificateAuthority): Promise<IssuedCertificate> =>
  authority.issueClientCertificate({ csrPem, identity: IDENTITY, lifetimeSeconds: 3_600 });
const serverOf = (authority: CertificateAuthority): Promise<IssuedCertificate> =>
  authority.issueServerCertificate({ csrPem, names: ["127.0.0.1"], lifetimeSeconds: 3_600 });

let made: Rotated;
beforeAll(() => {
  made = rotate();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("the cross certificate", () => {
  test("says the newer root's name and key by the older one's word, and ends with the sooner of both", () => {
    const short = rotate({ lifetimeDays: 5 });
    const { cross } = short;
    const newer = new X509Certificate(short.newer.rootPem);
    const older = new X509Certificate(short.older.rootPem);
    expect(cross.subject).toBe(newer.subject);
    expect(cross.publicKey.equals(newer.publicKey)).toBe(true);
    expect(cross.checkIssued(older) && cross.verify(older.publicKey)).toBe(true);
    expect(cross.ca).toBe(true);
    expect(cross.validTo).toBe(older.validTo);
    expect(made.cross.validTo).toBe(
      [made.older, made.newer]
        .map(({ rootPem }) => new X509Certificate(rootPem).validTo)
        .toSorted((a, b) => Date.parse(a) - Date.parse(b))[0],
    );
  });

  test("goes with each certificate of the newer root until the older has ended, and with none of the older", async () => {
    const { older, newer, cross } = rotate({ lifetimeDays: 5 });
    const chain = [derToPem(cross.raw, "CERTIFICATE")];
    expect((await clientOf(newer)).chainPem).toEqual(chain);
    expect((await serverOf(newer)).chainPem).toEqual(chain);
    expect((await clientOf(older)).chainPem).toEqual([]);
    vi.useFakeTimers({ now: Date.now() + 5 * DAY_MS, toFake: ["Date"] });
    expect((await clientOf(newer)).chainPem).toEqual([]);
  });
});

describe("a certificate of the newer root", () => {
  const accepted = async (rootsPem: string[], change: Partial<IssuedCertificate> = {}): Promise<string> => {
    const { certificatePem, chainPem } = { ...(await clientOf(made.newer)), ...change };
    return codeOf(() =>
      verifyIssued({ certificatePem, chainPem, rootsPem, privateKeyPem: key.privateKeyPem, oidArc: ARC }),
    );
  };

  test("is accepted by who trusts the older root alone, the newer alone, or both", async () => {
    const { older, newer } = made;
    expect(await accepted([older.rootPem])).toBe("none");
    expect(await accepted([newer.rootPem])).toBe("none");
    expect(await accepted([older.rootPem, newer.rootPem])).toBe("none");
  });

  test("is refused by who trusts neither, and by who trusts the older alone where the chain does not lead there", async () => {
    const { older, newer, stranger } = made;
    expect(await accepted([stranger.rootPem])).toBe("CERTIFICATE_INVALID");
    expect(await accepted([older.rootPem], { chainPem: [] })).toBe("CERTIFICATE_INVALID");
    expect(await accepted([older.rootPem], { chainPem: [newer.rootPem] })).toBe("CERTIFICATE_INVALID");
    const another = derToPem(rotate().cross.raw, "CERTIFICATE");
    expect(await accepted([older.rootPem], { chainPem: [another] })).toBe("CERTIFICATE_INVALID");
    expect(await accepted([older.rootPem])).toBe("none");
  });

  test("does not make one of the older root good for who trusts the newer alone", async () => {
    const { certificatePem } = await clientOf(made.older);
    const chainPem = (await clientOf(made.newer)).chainPem;
    expect(await accepted([made.newer.rootPem], { certificatePem, chainPem })).toBe("CERTIFICATE_INVALID");
    expect(await accepted([made.older.rootPem], { certificatePem, chainPem: [] })).toBe("none");
  });

  test("is verified by OpenSSL strictly, from either root, with the lists of both", async (context) => {
    if (!hasOpenssl()) {
      context.skip();
      return;
    }
    const { older, newer, stranger } = made;
    const client = await clientOf(newer);
    const list = async (authority: CertificateAuthority): Promise<string> =>
      derToPem((await authority.publishCrl({ revoked: [], number: 1 })).der, "X509 CRL");
    const files = {
      "older.pem": older.rootPem,
      "newer.pem": newer.rootPem,
      "stranger.pem": stranger.rootPem,
      "chain.pem": client.chainPem.join(""),
      "client.pem": client.certificatePem,
      "crl.pem": [await list(newer), await list(older)].join(""),
    };
    const status = (root: string): number =>
      openssl(
        // prettier-ignore
        ["verify", "-x509_strict", "-purpose", "sslclient", "-crl_check_all", "-CRLfile", "crl.pem", "-CAfile", root, "-untrusted", "chain.pem", "client.pem"],
        files,
      ).status;
    expect(status("older.pem")).toBe(0);
    expect(status("newer.pem")).toBe(0);
    expect(status("stranger.pem")).not.toBe(0);
  });
});

describe("TLS between who knows different roots", () => {
  const servers: Server[] = [];
  afterEach(() => {
    servers.splice(0).forEach((server) => server.close());
  });
  /** Whether both ends are content with the other's certificate. */
  async function meet(
    server: { by: CertificateAuthority; trusts: CertificateAuthority[] },
    client: { by: CertificateAuthority; trusts: CertificateAuthority[] },
  ): Promise<string> {
    const shown = await serverOf(server.by);
    const ours = await clientOf(client.by);
    const listener = createServer({
      cert: [shown.certificatePem, ...shown.chainPem].join(""),
      key: key.privateKeyPem,
      ca: server.trusts.map(({ rootPem }) => rootPem),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: "TLSv1.3",
    });
    servers.push(listener);
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    return new Promise((resolve) => {
      listener.once("secureConnection", () => {
        resolve("met");
      });
      listener.once("tlsClientError", () => {
        resolve("refused by the server");
      });
      const socket = connect({
        host: "127.0.0.1",
        port: (listener.address() as AddressInfo).port,
        ca: client.trusts.map(({ rootPem }) => rootPem),
        cert: [ours.certificatePem, ...ours.chainPem].join(""),
        key: key.privateKeyPem,
      });
      socket.once("error", (error: NodeJS.ErrnoException) => {
        if (/^(UNABLE|SELF_SIGNED|CERT|DEPTH|ERR_TLS)/.test(error.code ?? "")) {
          resolve("refused by the client");
        }
      });
    });
  }

  test("works at each step of a rotation, whoever renewed already and whoever did not", async () => {
    const { older, newer } = made;
    const both = [newer, older];
    const before = { by: older, trusts: [older] };
    const renewed = { by: newer, trusts: both };
    const enrolledSince = { by: newer, trusts: [newer] };
    for (const client of [before, renewed]) {
      expect(await meet({ by: older, trusts: both }, client)).toBe("met");
    }
    for (const client of [before, renewed, enrolledSince]) {
      expect(await meet({ by: newer, trusts: both }, client)).toBe("met");
    }
    expect(await meet({ by: newer, trusts: [newer] }, { by: newer, trusts: [older] })).toBe("met");
  });

  test("ends for a certificate of the older root once that has retired, and for who was told of a stranger", async () => {
    const { older, newer, stranger } = made;
    expect(await meet({ by: newer, trusts: [newer] }, { by: older, trusts: [older] })).toBe("refused by the server");
    expect(await meet({ by: newer, trusts: [newer] }, { by: newer, trusts: [stranger] })).toBe("refused by the client");
  });
});
