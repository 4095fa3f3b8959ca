import { z } from "zod";

const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const listener = (port: number) =>
  z.strictObject({
    address: z
      .string()
      .min(1)
      .default("127.0.0.1")
      .describe("The address to listen on; loopback unless said otherwise."),
    port: z.int().min(1).max(65535).default(port).describe("The port to listen on."),
  });

/** The home listener has no TLS and so stays on loopback. */
const homeListener = listener(8445).refine((home) => ["127.0.0.1", "::1", "localhost"].includes(home.address), {
  path: ["address"],
  error: "the home listener speaks plain HTTP and stays on loopback: 127.0.0.1, ::1 or localhost",
});

/** Alerts name users and hosts, and providers say who somebody is: both cross a network only encrypted. */
const encryptedUrl = z.url({ protocol: /^https?$/ }).refine(
  (text) => {
    const url = URL.parse(text);
    return url?.protocol === "https:" || ["127.0.0.1", "[::1]", "localhost"].includes(url?.hostname ?? "");
  },
  { error: "https, or http on loopback: 127.0.0.1, [::1] or localhost" },
);

const pages = z.strictObject({
  url: z
    .url({ protocol: /^https$/ })
    .refine((text) => URL.parse(text)?.pathname === "/", { error: "an origin, without a path" })
    .optional()
    .describe(
      "The origin by which browsers reach the home listener through a proxy that speaks TLS, for example https://mosaic.example; absent, names of this machine only.",
    ),
  oidc: z
    .strictObject({
      issuer: encryptedUrl.describe("The OpenID Connect provider, as its tokens name it."),
      clientId: z
        .string()
        .min(1)
        .describe(
          "The client that the pages are to the provider; its secret, if it has one, is secrets/oidc-client-secret.",
        ),
      userClaim: z
        .string()
        .min(1)
        .default("sub")
        .describe(
          "The claim that holds the local user id of whoever is no administrator. It must be one that its person cannot edit at the provider; email counts only where email_verified is true.",
        ),
    })
    .optional()
    .describe("By which provider people sign in to the pages, beside their tokens."),
});

const jwt = z.strictObject({
  jwksUrl: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe("Where the issuer publishes its keys. Either this or jwksFile."),
  jwksFile: z.string().min(1).optional().describe("A file that holds the issuer's keys. Either this or jwksUrl."),
  issuer: z.string().min(1).describe("What the claim iss must be."),
  audience: z.string().min(1).describe("What the claim aud must hold."),
  userClaim: z.string().min(1).default("sub").describe("The claim that holds the local user id."),
});

const stepCa = z.strictObject({
  url: z.url({ protocol: /^https$/ }).describe("Where step-ca answers."),
  rootFile: z
    .string()
    .min(1)
    .describe("Its root certificate, PEM, the one that is pinned; a relative path begins at the gateway's directory."),
  provisioner: z.string().min(1).describe("The name of the JWK provisioner that our tokens are of."),
});

/** What `mosaic.config.json` may say; unknown keys are errors. Secrets have no place in it. */
export const configSchema = z.strictObject({
  $schema: z.string().optional().describe("The JSON Schema of this file, for editors."),
  version: z.literal(2).describe("The version of this format; files of version 1 are read, too."),
  tier: z
    .enum(["local", "standalone", "federated"])
    .describe(
      "What the gateway stands on: an embedded database, a PostgreSQL, or PostgreSQL with pgvector, Valkey and step-ca.",
    ),
  host: z
    .string()
    .regex(HOST, "a host: lower-case letters, digits, dots and hyphens")
    .describe("The name by which peers know this gateway."),
  listeners: z
    .strictObject({
      federation: listener(8443).prefault({}).describe("Peers, by client certificate."),
      public: listener(8444).prefault({}).describe("Enrollment, the certificate revocation list, health."),
      home: homeListener.prefault({}).describe("Local users. Plain HTTP, so on loopback only."),
    })
    .prefault({})
    .describe("Where the gateway listens."),
  federationUrl: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe("How peers reach the federation listener, where that differs from https://<host>:<port>."),
  publicUrl: z
    .url({ protocol: /^https$/ })
    .optional()
    .describe("How anybody reaches the public listener, where that differs from https://<host>:<port>."),
  oidArc: z
    .string()
    .regex(/^[0-2](\.\d{1,9})+$/, "an object identifier")
    .default("1.3.6.1.4.1.32473.1")
    .describe("Object identifier arc of the certificate's identity entries."),
  certificateLifetimeDays: z.int().min(1).max(397).default(30).describe("Days for which a client certificate is good."),
  limits: z
    .strictObject({
      requestsPerMinute: z
        .int()
        .min(1)
        .max(1_000_000)
        .default(60)
        .describe("Requests that one grant may make in a minute."),
      databaseConnections: z.int().min(4).max(500).default(10).describe("Database connections for requests."),
      waitingRequests: z
        .int()
        .min(0)
        .max(100_000)
        .default(200)
        .describe("Requests that may wait for a database connection; more are refused with 503."),
      statementTimeoutMs: z
        .int()
        .min(100)
        .max(600_000)
        .default(10_000)
        .describe("Milliseconds that a verb may take in the database."),
      peerTimeoutMs: z
        .int()
        .min(100)
        .max(600_000)
        .default(10_000)
        .describe("Milliseconds that a peer may take to answer."),
    })
    .prefault({})
    .describe("How much is taken on."),
  cache: z
    .strictObject({
      bytes: z
        .int()
        .min(0)
        .max(2 ** 34)
        .default(64 * 1024 * 1024)
        .describe("Bytes of memory for answers of peers; 0 keeps none."),
      ttlSeconds: z
        .int()
        .min(0)
        .max(3_600)
        .default(30)
        .describe("Seconds for which a peer's answer to list or get is good; a peer can have its own."),
    })
    .prefault({})
    .describe("Answers of peers that are kept in memory for a short time."),
  crl: z
    .strictObject({
      whenStale: z
        .enum(["refuse", "allow"])
        .default("refuse")
        .describe(
          "Whether peers are let in while the newest list of revoked certificates is past its next update. Each request is checked against the database in any case.",
        ),
    })
    .prefault({})
    .describe("The list of revoked certificates."),
  circuit: z
    .strictObject({
      failures: z.int().min(1).max(1_000).default(5).describe("Failures in a row after which a peer is left alone."),
      cooldownMs: z
        .int()
        .min(100)
        .max(3_600_000)
        .default(30_000)
        .describe("Milliseconds for which it is left alone before one request is let through."),
    })
    .prefault({})
    .describe("When a peer that does not answer is left alone."),
  alerts: z
    .strictObject({
      webhookUrl: encryptedUrl
        .optional()
        .describe("Where each new alert is posted to as JSON; https, or http on loopback."),
    })
    .prefault({})
    .describe("Whom alerts are told to, beside `mosaic federation alerts list` and /metrics."),
  telemetry: z
    .strictObject({
      otlpUrl: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe(
          "An OTLP receiver over HTTP, without the path, for example http://127.0.0.1:4318; absent, telemetry is off unless OTEL_EXPORTER_OTLP_ENDPOINT is set.",
        ),
      sampleRatio: z.number().min(0).max(1).default(1).describe("The share of traces that is recorded, 0 to 1."),
    })
    .prefault({})
    .describe(
      "Where traces and metrics go by OpenTelemetry. Metrics are at /metrics of the home listener in any case.",
    ),
  pages: pages.prefault({}).describe("The pages, which the home listener serves under /pages/."),
  stepCa: stepCa.optional().describe("The certificate authority of tier federated."),
  jwt: jwt
    .refine((value) => (value.jwksUrl === undefined) !== (value.jwksFile === undefined), {
      error: "exactly one of jwksUrl and jwksFile",
    })
    .optional()
    .describe("By which issuer's tokens local users are known, beside the gateway's own."),
});

/** A configuration with every default filled in. */
export type Config = z.output<typeof configSchema>;

/** A configuration as a person writes it. */
export type ConfigInput = z.input<typeof configSchema>;
