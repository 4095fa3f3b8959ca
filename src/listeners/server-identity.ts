import { federationUrl, publicUrl } from "../config/load.ts";
import type { Config } from "../config/schema.ts";
import type { CertificateAuthority } from "../pki/authority.ts";
import { createCsr } from "../pki/csr.ts";
import { generateKeyPair } from "../pki/keys.ts";

// As long as browsers accept; a new one is made at every start.
const LIFETIME_SECONDS = 397 * 86_400;

/**
 * The certificate by which the TLS listeners prove to be this gateway, signed by its own root, which peers pin. Its key never
 * leaves memory.
 *
 * @returns PEM
 */
export async function createServerIdentity(
  authority: CertificateAuthority,
  config: Config,
): Promise<{ certificate: string; key: string }> {
  const { privateKeyPem } = generateKeyPair();
  const hosts = [config.host, ...[federationUrl(config), publicUrl(config)].map((url) => new URL(url).hostname)];
  const issued = await authority.issueServerCertificate({
    csrPem: createCsr({ privateKeyPem, commonName: config.host }),
    names: [...new Set([...hosts, "localhost", "127.0.0.1"])],
    lifetimeSeconds: LIFETIME_SECONDS,
  });
  return { certificate: [issued.certificatePem, ...issued.chainPem].join(""), key: privateKeyPem };
}
