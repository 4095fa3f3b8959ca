import { Client } from "undici";

/** What a gateway answered to one request over mTLS, or that it refused the connection. */
export interface MtlsAnswer {
  /** HTTP status; undefined where no answer came. */
  status: number | undefined;
  /** `OK`, the error's code or, where the connection was refused, `TLS_REFUSED`. */
  code: string;
  body: unknown;
}

/**
 * Sends one body to a gateway's federation listener with a certificate of the caller's choice, the way `curl --cert` would.
 *
 * @param options.url the gateway's federation URL
 * @param options.ca root that the gateway's own certificate must chain to, PEM
 */
export async function mtlsRequest(options: {
  url: string;
  ca: string;
  certificate: string;
  key: string;
  body: unknown;
}): Promise<MtlsAnswer> {
  const { url, ca, certificate: cert, key } = options;
  const client = new Client(new URL(url).origin, { connect: { ca, cert, key, minVersion: "TLSv1.3" } });
  try {
    const { statusCode, body } = await client.request({
      method: "POST",
      path: "/federation",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(options.body),
      signal: AbortSignal.timeout(10_000),
    });
    const answer = (await body.json()) as { errors?: { extensions: { code: string } }[] };
    return { status: statusCode, code: answer.errors?.[0]?.extensions.code ?? "OK", body: answer };
  } catch (error) {
    if (
      error instanceof Error &&
      "code" in error &&
      /^(ERR_SSL|ECONNRESET|UND_ERR_SOCKET|EPIPE)/.test(String(error.code))
    ) {
      return { status: undefined, code: "TLS_REFUSED", body: undefined };
    }
    throw error;
  } finally {
    await client.destroy();
  }
}
