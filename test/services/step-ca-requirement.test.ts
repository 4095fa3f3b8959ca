import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { layoutOf } from "../../scripts/services/layout.ts";
import { readDescription } from "../../scripts/services/status.ts";
import { parseConfig } from "../../src/config/load.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { createCsr } from "../../src/pki/csr.ts";
import { createEmbeddedAuthority } from "../../src/pki/embedded-authority.ts";
import { generateKeyPair } from "../../src/pki/keys.ts";
import { examineStepCa } from "../../src/setup/step-ca-requirement.ts";
import { openIntermediate } from "../harness/signer.ts";

const ARC = "1.3.6.1.4.1.32473.1";
const stepCa = readDescription(layoutOf(process.env).description)?.stepCa;
if (stepCa === undefined) {
  throw new Error("step-ca does not run; start it with: npm run services:up");
}
const { rootFile, keyFile } = stepCa;
const jwkText = readFileSync(keyFile, "utf8");

describe("what a gateway looks at before it starts", () => {
  /** What is found of a certificate server that the root vouches for, and that answers as it likes. */
  async function examine(change: {
    date?: Date;
    version?: string;
    provisioners?: object[];
    status?: string;
  }): Promise<{ name: string; bad: boolean }[]> {
    const kid = (JSON.parse(jwkText) as { kid: string }).kid;
    const ours = { type: "JWK", name: "mosaic", key: { kid }, claims: { maxTLSCertDuration: "720h0m0s" } };
    const answers: Record<string, object> = {
      "/health": { status: change.status ?? "ok" },
      "/version": { version: change.version ?? "0.30.2" },
      "/1.0/provisioners": { provisioners: change.provisioners ?? [ours] },
    };
    const signer = openIntermediate();
    const key = generateKeyPair();
    const { certificatePem } = await createEmbeddedAuthority({
      ...signer,
      oidArc: ARC,
      crlUrl: "https://127.0.0.1/crl",
    }).issueServerCertificate({
      csrPem: createCsr({ privateKeyPem: key.privateKeyPem, commonName: "x" }),
      names: ["127.0.0.1"],
      lifetimeSeconds: 3_600,
    });
    const server = createServer(
      { cert: [certificatePem, ...signer.chainPem].join(""), key: key.privateKeyPem },
      (asked, response) => {
        response.setHeader("date", (change.date ?? new Date()).toUTCString());
        response.end(JSON.stringify(answers[asked.url ?? ""]));
      },
    );
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const directory = mkdtempSync(join(tmpdir(), "mosaic-examine-"));
    const paths = gatewayPaths(directory);
    mkdirSync(paths.secrets);
    writeFileSync(paths.stepCaKey, jwkText, { mode: 0o600 });
    try {
      const found = await examineStepCa(
        parseConfig({
          version: 2,
          tier: "federated",
          host: "work.localhost",
          stepCa: {
            url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
            rootFile,
            provisioner: "mosaic",
          },
        }),
        paths,
      );
      return found.map(({ name, remedy }) => ({ name, bad: remedy !== undefined }));
    } finally {
      server.close();
      rmSync(directory, { recursive: true });
    }
  }
  const good = [
    { name: "step-ca", bad: false },
    { name: "clock", bad: false },
  ];

  test("is good where everything is as it should be", async () => {
    expect(await examine({})).toEqual(good);
    expect(await examine({ version: "0.31.0" })).toEqual(good);
    expect(await examine({ version: "1.0.0" })).toEqual(good);
    expect(await examine({ date: new Date(Date.now() + 50_000) })).toEqual(good);
  });

  test.each([
    ["a clock that is two minutes ahead", { date: new Date(Date.now() + 120_000) }, "clock"],
    ["a clock that is two minutes behind", { date: new Date(Date.now() - 120_000) }, "clock"],
    ["a version with known holes", { version: "0.30.1" }, "step-ca"],
    ["a much older version", { version: "0.9.9" }, "step-ca"],
    ["no provisioner", { provisioners: [] }, "step-ca"],
    [
      "a provisioner of our name with another key",
      { provisioners: [{ type: "JWK", name: "mosaic", key: { kid: "x" } }] },
      "step-ca",
    ],
    ["ill health", { status: "starting" }, "step-ca"],
  ])("is not good with %s", async (_, change, name) => {
    expect(await examine(change)).toContainEqual({ name, bad: true });
  });
});
