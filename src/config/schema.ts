import { z } from "zod";

const HOST = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/;

const listener = (port: number) =>
  z.strictObject({
    /** The address to listen on; loopback unless said otherwise. */
    address: z.string().min(1).default("127.0.0.1"),
    port: z.int().min(0).max(65535).default(port),
  });

/** The home listener has no TLS and so stays on loopback. */
const homeListener = listener(8445).refine((home) => ["127.0.0.1", "::1", "localhost"].includes(home.address), {
  path: ["address"],
  error: "the home listener speaks plain HTTP and stays on loopback: 127.0.0.1, ::1 or localhost",
});

const jwt = z.strictObject({
  /** Where the issuer publishes its keys. One of the two. */
  jwksUrl: z.url({ protocol: /^https$/ }).optional(),
  jwksFile: z.string().min(1).optional(),
  issuer: z.string().min(1),
  audience: z.string().min(1),
  /** The claim that holds the local user id. */
  userClaim: z.string().min(1).default("sub"),
});

/** What `mosaic.config.json` may say; unknown keys are errors. */
export const configSchema = z.strictObject({
  $schema: z.string().optional(),
  version: z.literal(1),
  tier: z.enum(["local", "standalone"]),
  /** The name by which peers know this gateway. */
  host: z.string().regex(HOST, "a host: lower-case letters, digits, dots and hyphens"),
  listeners: z
    .strictObject({
      federation: listener(8443).prefault({}),
      public: listener(8444).prefault({}),
      home: homeListener.prefault({}),
    })
    .prefault({}),
  /** How peers reach the listeners, where that differs from `https://<host>:<port>`. */
  federationUrl: z.url({ protocol: /^https$/ }).optional(),
  publicUrl: z.url({ protocol: /^https$/ }).optional(),
  /** Object identifier arc of the certificate's identity entries. */
  oidArc: z
    .string()
    .regex(/^[0-2](\.\d{1,9})+$/, "an object identifier")
    .default("1.3.6.1.4.1.32473.1"),
  certificateLifetimeDays: z.int().min(1).max(397).default(30),
  limits: z
    .strictObject({
      /** Requests that one grant may make in a minute. */
      requestsPerMinute: z.int().min(1).max(1_000_000).default(60),
      /** Database connections for requests. */
      databaseConnections: z.int().min(1).max(500).default(10),
      /** Requests that may wait for a database connection; more are refused with 503. */
      waitingRequests: z.int().min(0).max(100_000).default(200),
      /** Milliseconds that a verb may take in the database. */
      statementTimeoutMs: z.int().min(100).max(600_000).default(10_000),
      /** Milliseconds that a peer may take to answer. */
      peerTimeoutMs: z.int().min(100).max(600_000).default(10_000),
    })
    .prefault({}),
  jwt: jwt
    .refine((value) => (value.jwksUrl === undefined) !== (value.jwksFile === undefined), {
      error: "exactly one of jwksUrl and jwksFile",
    })
    .optional(),
});

/** A configuration with every default filled in. */
export type Config = z.output<typeof configSchema>;

/** A configuration as a person writes it. */
export type ConfigInput = z.input<typeof configSchema>;
