import { Client } from "undici";
import { z } from "zod";
import { FederationError } from "../errors.ts";
import { MAX_CRL_BYTES } from "../pki/crl.ts";

/** The part of step-ca's HTTP interface that a gateway uses. Each call throws FederationError UNAVAILABLE where it is refused or not answered. */
export interface StepCaClient {
  /** @returns the certificate, then its intermediates, PEM */
  sign(request: { csrPem: string; token: string; lifetimeSeconds: number }): Promise<string[]>;
  /** Revokes a certificate; one that is revoked already stays so. @param request.serial decimal @param request.reasonCode RFC 5280 §5.3.1 */
  revoke(request: { serial: string; token: string; reasonCode: number }): Promise<void>;
  /** That step-ca answers, and says that it does well. */
  health(): Promise<void>;
  /** The current revocation list, DER. */
  crl(): Promise<Buffer>;
  /** What signs below the root, PEM. */
  intermediates(): Promise<string[]>;
}

const TIMEOUT_MS = 5_000;

const signed = z.object({ crt: z.string(), certChain: z.array(z.string()).min(1).max(8) });
const healthy = z.object({ status: z.literal("ok") });
const intermediates = z.object({ crts: z.array(z.string()).min(1).max(16) });

/**
 * @param options.rootPem the only root that is trusted
 */
export function createStepCaClient(options: { url: string; rootPem: string }): StepCaClient {
  const ask = async (path: string, body?: unknown): Promise<{ status: number; bytes: Buffer; requestId: unknown }> => {
    const client = new Client(options.url, {
      connect: { ca: options.rootPem, minVersion: "TLSv1.3", timeout: TIMEOUT_MS },
      // A revocation list is the largest answer.
      maxResponseSize: MAX_CRL_BYTES,
      allowH2: false,
    });
    try {
      const answer = await client.request({
        method: body === undefined ? "GET" : "POST",
        path: `/1.0${path}`,
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
      });
      const bytes = Buffer.from(await answer.body.arrayBuffer());
      return { status: answer.statusCode, bytes, requestId: answer.headers["x-request-id"] };
    } catch (cause) {
      throw unavailable("does not answer", cause);
    } finally {
      await client.destroy();
    }
  };
  /** An answer of the expected status, else what step-ca says of it; the text stays within this gateway's log. */
  const expectStatus = async (status: number, path: string, body?: unknown): Promise<Buffer> => {
    const answer = await ask(path, body);
    if (answer.status !== status) {
      const text = answer.bytes.toString("utf8", 0, 500);
      throw unavailable(
        "refused",
        new Error(`step-ca answered ${path} with ${answer.status}, request ${String(answer.requestId)}: ${text}`),
      );
    }
    return answer.bytes;
  };

  return {
    sign: async ({ csrPem, token, lifetimeSeconds }) => {
      const bytes = await expectStatus(201, "/sign", { csr: csrPem, ott: token, notAfter: `${lifetimeSeconds}s` });
      return parsed(signed, bytes).certChain;
    },
    revoke: async ({ serial, token, reasonCode }) => {
      await expectStatus(200, "/revoke", {
        serial,
        ott: token,
        reasonCode,
        reason: "revoked by the gateway",
        passive: true,
      });
    },
    health: async () => {
      parsed(healthy, await expectStatus(200, "/health"));
    },
    crl: () => expectStatus(200, "/crl"),
    intermediates: async () => {
      const bytes = await expectStatus(201, "/intermediates");
      return parsed(intermediates, bytes).crts;
    },
  };
}

function parsed<T>(schema: z.ZodType<T>, bytes: Buffer): T {
  try {
    return schema.parse(JSON.parse(bytes.toString("utf8")));
  } catch (cause) {
    throw unavailable("answered with something else", cause);
  }
}

function unavailable(what: string, cause: unknown): FederationError {
  return new FederationError("UNAVAILABLE", `The certificate authority ${what}.`, { cause, retryAfter: 5 });
}
