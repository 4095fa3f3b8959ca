import { setTimeout as sleep } from "node:timers/promises";
import { FederationError } from "../errors.ts";
import type { CertificateAuthority, IssuedCertificate, RevokedCertificate, SignedCrl } from "../pki/authority.ts";
import { readCrl, REASONS } from "../pki/crl.ts";
import type { Crl } from "../pki/crl.ts";
import { readCsr } from "../pki/csr.ts";
import { derToPem, fingerprintOf, pemToDer, readX509 } from "../pki/der.ts";
import { readPeerIdentity } from "../pki/identity.ts";
import { verifyChain } from "../pki/verify.ts";
import { createStepCaClient } from "./client.ts";
import { createTokenMint } from "./token.ts";

const CODE = "CERTIFICATE_INVALID";
/** How often, and how long after each other, the list is asked for again that somebody else makes step-ca make, ms. */
const [MOST_LOOKS, LOOK_MS] = [15, 200];

/**
 * step-ca as the gateway's certificate authority. What a certificate says comes from a token that this gateway signs and that holds for
 * one request's bytes; what comes back is compared with what was asked for, so that a wrong template issues nothing.
 *
 * @param options.jwkText the provisioner's private key, JSON Web Key
 * @throws FederationError CONFIG_INVALID where root or key are none
 */
export async function createStepCaAuthority(options: {
  url: string;
  rootPem: string;
  provisioner: string;
  jwkText: string;
  oidArc: string;
}): Promise<CertificateAuthority> {
  const { rootPem, oidArc } = options;
  const rootDer = pemToDer(rootPem, "CERTIFICATE", "CONFIG_INVALID");
  const client = createStepCaClient(options);
  const mint = await createTokenMint(options);

  const issue = async (request: {
    csrPem: string;
    subject: string;
    names?: readonly string[];
    user: object;
    lifetimeSeconds: number;
  }): Promise<IssuedCertificate> => {
    const { publicKeyDer, commonName, hasAttributes } = readCsr(request.csrPem);
    if (hasAttributes || commonName === undefined) {
      throw new FederationError(
        "CSR_INVALID",
        "The certificate request must ask for no extensions, and name at most one common name.",
      );
    }
    // step-ca takes a request's name only from among the token's; the template puts it into no client's certificate.
    const names = [...new Set([...(request.names ?? []), ...(commonName === "" ? [] : [commonName])])];
    const token = await mint.toSign({ ...request, names });
    const [certificatePem = "", ...chainPem] = await client.sign({ ...request, token });
    const certificateDer = pemToDer(certificatePem, "CERTIFICATE", CODE);
    const certificate = readX509(certificateDer, CODE);
    verifyChain({ certificateDer, chainPem, rootPem });
    if (!certificate.publicKey.export({ type: "spki", format: "der" }).equals(publicKeyDer)) {
      throw unlike("is for another key");
    }
    return {
      certificatePem: derToPem(certificateDer, "CERTIFICATE"),
      certificateDer,
      chainPem: chainPem.map((pem) => derToPem(pemToDer(pem, "CERTIFICATE", CODE), "CERTIFICATE")),
      serial: certificate.serialNumber.toLowerCase(),
      notBefore: new Date(certificate.validFrom),
      notAfter: new Date(certificate.validTo),
      fingerprint: fingerprintOf(certificateDer),
    };
  };

  /** The list as step-ca has it now, if one of its intermediates signed it and the root vouches for that one. */
  const fetchCrl = async (): Promise<Crl & SignedCrl> => {
    const [der, intermediates] = await Promise.all([client.crl(), client.intermediates()]);
    let refusal: unknown;
    for (const pem of intermediates) {
      try {
        const issuerDer = pemToDer(pem, "CERTIFICATE", CODE);
        verifyChain({ certificateDer: issuerDer, chainPem: [], rootPem });
        const crl = readCrl(der, issuerDer);
        if (crl.nextUpdate.getTime() <= Date.now()) {
          throw unlike("has a list that is past its next update");
        }
        return { ...crl, der, issuer: fingerprintOf(issuerDer) };
      } catch (error) {
        refusal = error;
      }
    }
    throw refusal;
  };

  const revokeAll = async (missing: readonly RevokedCertificate[]): Promise<unknown> => {
    let refusal: unknown;
    for (const { serial, reason } of missing) {
      const decimal = BigInt(`0x${serial}`).toString();
      try {
        const token = await mint.toRevoke(decimal);
        await client.revoke({ serial: decimal, token, reasonCode: REASONS[reason] ?? 0 });
      } catch (error) {
        // Another gateway may have been faster; the list says it.
        refusal = error;
      }
    }
    return refusal;
  };

  return {
    kind: "step-ca",
    rootPem: derToPem(rootDer, "CERTIFICATE"),
    rootFingerprint: fingerprintOf(rootDer),
    issueClientCertificate: async ({ csrPem, identity, lifetimeSeconds }) => {
      // The list and the certificates have to name the same place, to the letter.
      const { distributionPoint } = await fetchCrl();
      const issued = await issue({
        csrPem,
        subject: identity.grantId,
        user: {
          usage: "client",
          ...identity,
          oidArc,
          ...(distributionPoint === undefined ? {} : { crlUrl: distributionPoint }),
        },
        lifetimeSeconds,
      });
      const said = readPeerIdentity(issued.certificateDer, oidArc);
      if (
        said.grantId !== identity.grantId ||
        said.subjectUserId !== identity.subjectUserId ||
        said.host !== identity.host
      ) {
        throw unlike("says another identity");
      }
      return issued;
    },
    issueServerCertificate: ({ csrPem, names, lifetimeSeconds }) =>
      issue({ csrPem, subject: names[0] ?? "gateway", names, user: { usage: "server" }, lifetimeSeconds }),
    publishCrl: async ({ revoked }) => {
      const isMissing =
        (crl: Crl) =>
        ({ serial }: RevokedCertificate): boolean =>
          !crl.revokedSerials.has(serial);
      let crl = await fetchCrl();
      const missing = revoked.filter(isMissing(crl));
      if (missing.length > 0) {
        const refusal = await revokeAll(missing);
        crl = await fetchCrl();
        // What somebody else has revoked just now is known to step-ca a moment before it is in its list.
        for (let tries = 0; refusal !== undefined && missing.some(isMissing(crl)) && tries < MOST_LOOKS; tries += 1) {
          await sleep(LOOK_MS);
          crl = await fetchCrl();
        }
        if (missing.some(isMissing(crl))) {
          throw new FederationError("UNAVAILABLE", "The certificate authority does not list what is revoked.", {
            cause: refusal,
            retryAfter: 5,
          });
        }
      }
      const { der, issuer, number, thisUpdate, nextUpdate } = crl;
      return { der, issuer, number, thisUpdate, nextUpdate };
    },
  };
}

function unlike(how: string): FederationError {
  return new FederationError("UNAVAILABLE", "The certificate authority issued something else.", {
    cause: new Error(`what step-ca issued ${how}`),
    retryAfter: 5,
  });
}
