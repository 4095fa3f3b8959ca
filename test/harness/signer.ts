import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { layoutOf } from "../../scripts/services/layout.ts";
import { loadConfig } from "../../src/config/load.ts";
import { gatewayPaths } from "../../src/config/paths.ts";
import { openSigner as openEmbeddedSigner } from "../../src/demo/actors.ts";
import type { Signer } from "../../src/demo/actors.ts";
import { pemToDer } from "../../src/pki/der.ts";

/** What signs certificates that a gateway trusts: its own root, or the intermediate of the step-ca that the services started. */
export async function openSigner(directory: string): Promise<Signer> {
  if (loadConfig(gatewayPaths(directory)).tier !== "federated") {
    return openEmbeddedSigner(directory);
  }
  return openIntermediate();
}

/** The intermediate of the step-ca that the services started, with its key. */
export function openIntermediate(): Signer {
  const layout = layoutOf(process.env);
  const intermediatePem = readFileSync(join(layout.authority, "intermediate.pem"), "utf8");
  const privateKey = createPrivateKey({
    key: readFileSync(join(layout.secrets, "step-ca-intermediate-key"), "utf8"),
    passphrase: readFileSync(join(layout.secrets, "step-ca-password"), "utf8").trim(),
  });
  return {
    certificateDer: pemToDer(intermediatePem, "CERTIFICATE", "CERTIFICATE_INVALID"),
    privateKeyDer: privateKey.export({ type: "pkcs8", format: "der" }),
    chainPem: [intermediatePem],
  };
}
