import { constants } from "node:crypto";
import type { X509Certificate } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { Server } from "node:https";
import type { Duplex } from "node:stream";
import type { SecureContextOptions, TLSSocket } from "node:tls";
import type { Bucket } from "../admission/bucket.ts";
import { asFederationError, FederationError } from "../errors.ts";
import { readX509 } from "../pki/der.ts";
import type { PeerIdentity } from "../pki/identity.ts";
import { isSignedByOne } from "../pki/verify.ts";
import { createConnectionLimit } from "./connection-limit.ts";
import { endWith } from "./http.ts";
import { createPeerRequests, revocationOf } from "./peer-requests.ts";
import type { CertifiedIdentity, PeerRequestsOptions } from "./peer-requests.ts";
import { createRefusedHandshakes } from "./refused-handshakes.ts";
import type { ServerIdentity } from "./server-identity.ts";

/** Connections that are open at once, of all peers and of one grant. */
const MOST_CONNECTIONS = 5_000;
const MOST_CONNECTIONS_OF_ONE = 500;

/** What a request under a revoked certificate gets to be told so, ms, before its connection is cut. */
const FAREWELL_MS = 25;

/** What the federation listener stands on. */
export interface FederationListenerOptions extends PeerRequestsOptions {
  identity: ServerIdentity;
  /** Roots whose client certificates are taken, PEM. */
  trustedRoots: string[];
  /** Reads who a client certificate speaks for. Throws FederationError IDENTITY_MALFORMED. */
  readIdentity(certificateDer: Buffer): PeerIdentity;
  /** How many refused handshakes are put down. */
  handshakes: Bucket;
}

/** The listener, and what it still does when its last connection has ended. */
export interface FederationListener {
  server: Server;
  /** Settles when every request has its audit row in the queue, those whose connection was cut, too. */
  settled(): Promise<void>;
  /** Ends the connections whose certificates are revoked by now, and what runs on them. */
  endRevoked(): void;
  /** Takes another server certificate and other roots, PEM. Where one is no longer among these, the connections whose certificates are of none of them end. */
  retrust(options: { identity: ServerIdentity; trustedRoots: string[] }): void;
}

/** What a change of the server certificate replaces, and what stays with it. */
function federationTls(options: { identity: ServerIdentity; trustedRoots: string[] }): SecureContextOptions {
  return {
    cert: options.identity.certificate,
    key: options.identity.key,
    ca: options.trustedRoots,
    minVersion: "TLSv1.3",
    // A resumed session would not be checked against a newer CRL.
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/**
 * The listener for peers: TLS 1.3, a client certificate of a trusted root, one path, one verb a request. A certificate that does
 * not chain to a trusted root never gets as far as a request.
 */
export function createFederationListener(options: FederationListenerOptions): FederationListener {
  const { log } = options;
  const requests = createPeerRequests(options);
  // Read once a connection: the certificate cannot change under it.
  const identities = new WeakMap<object, Exclude<CertifiedIdentity, undefined>>();
  const last = new WeakMap<object, IncomingMessage>();
  const refused = new WeakSet<object>();
  const open = new Map<TLSSocket, PeerIdentity>();
  let trusted = options.trustedRoots;
  // The roots of now, once one was retired. Only our own authority's is, which signs the certificates of peers itself; what step-ca signs comes
  // by intermediates, and its root stays.
  let signers: readonly X509Certificate[] | undefined;
  const server = createServer(
    {
      ...federationTls(options),
      requestCert: true,
      rejectUnauthorized: true,
      handshakeTimeout: 10_000,
      headersTimeout: 10_000,
      requestTimeout: 20_000,
      connectionsCheckingInterval: 1_000,
      keepAliveTimeout: 60_000,
      maxHeaderSize: 8_192,
      // Node would refuse a request without one by itself, past the audit log.
      requireHostHeader: false,
    },
    (request, response) => {
      last.set(request.socket, request);
      keepRunning(request.socket, requests.answer(request, response, identities.get(request.socket)));
    },
  );
  const putDownHandshake = createRefusedHandshakes({ audit: options.audit, bucket: options.handshakes, log });
  // Each with its connection.
  const running = new Map<Promise<void>, Duplex>();
  const keepRunning = (socket: Duplex, answering: Promise<void>): void => {
    running.set(answering, socket);
    void answering.finally(() => running.delete(answering));
  };

  server.maxConnections = MOST_CONNECTIONS;
  const connections = createConnectionLimit(MOST_CONNECTIONS_OF_ONE);
  server.on("secureConnection", (socket) => {
    const certificate = socket.getPeerX509Certificate();
    // A handshake that began before a root was retired ends by the roots of then.
    if (signers !== undefined && certificate !== undefined && !isSignedByOne(certificate, signers)) {
      putDownHandshake("TLS_REFUSED", {}, "RETIRED_ROOT");
      socket.destroy();
      return;
    }
    let identity: CertifiedIdentity;
    try {
      identity = certificate === undefined ? undefined : options.readIdentity(certificate.raw);
    } catch (error) {
      identity = asFederationError(error);
    }
    if (identity !== undefined) {
      identities.set(socket, identity);
    }
    const known = identity instanceof FederationError ? undefined : identity;
    const refusal =
      options.authorities.outdated ?? (known === undefined ? undefined : options.revocations.refusalOf(known));
    if (refusal !== undefined || !connections.take(known?.grantId ?? "none", socket)) {
      putDownHandshake(refusal?.code ?? "RATE_LIMITED", {
        grant_id: known?.grantId,
        subject_user_id: known?.subjectUserId,
        certificate_serial: known?.serial,
      });
      socket.destroy();
    } else if (known !== undefined) {
      open.set(socket, known);
      socket.once("close", () => open.delete(socket));
    }
  });
  server.on("tlsClientError", (error) => {
    putDownHandshake("TLS_REFUSED", {}, errorCode(error));
  });
  server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    last.set(request.socket, request);
    keepRunning(request.socket, requests.answer(request, response, identities.get(request.socket)));
  });
  server.on("connect", (_request, socket) => {
    refuseOn(socket, new FederationError("METHOD_NOT_ALLOWED", "Verbs are sent by POST."));
  });
  server.on("clientError", (error, socket) => {
    if (last.get(socket)?.complete === false) {
      // It is the body of a request that is being refused for it already.
      socket.destroy();
      return;
    }
    refuseOn(
      socket,
      errorCode(error) === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new FederationError("REQUEST_TIMEOUT", "The request took too long to arrive.")
        : new FederationError("BAD_REQUEST", "The request is not HTTP as it should be."),
    );
  });

  /** Refuses what did not become a request, and ends its connection. */
  function refuseOn(socket: Duplex, refusal: FederationError): void {
    const identity = identities.get(socket);
    // What comes behind it on its connection is part of the same fault.
    if (refused.has(socket)) {
      return;
    }
    refused.add(socket);
    if (identity === undefined || !socket.writable) {
      socket.destroy();
      return;
    }
    // It may end by itself while the refusal is put down.
    socket.on("error", () => socket.destroy());
    requests.refuse(identity, refusal).then(
      (ready) => {
        endWith(socket, ready);
      },
      (cause: unknown) => {
        log.error({ err: cause }, "a request could not be refused well");
        socket.destroy();
      },
    );
  }

  function endRevoked(): void {
    requests.endRevoked();
    const answering = new Set(running.values());
    for (const [socket, identity] of open) {
      if (revocationOf(options.revocations, identity) === undefined) {
        continue;
      }
      if (answering.has(socket)) {
        // What ran is being answered with the reason; that gets a moment to leave.
        setTimeout(() => socket.destroy(), FAREWELL_MS).unref();
      } else {
        socket.destroy();
      }
    }
  }

  return {
    server,
    endRevoked,
    retrust: (next) => {
      server.setSecureContext(federationTls(next));
      const isLess = trusted.some((root) => !next.trustedRoots.includes(root));
      trusted = next.trustedRoots;
      if (!isLess && signers === undefined) {
        return;
      }
      const roots = trusted.map((pem) => readX509(pem, "CERTIFICATE_INVALID"));
      signers = roots;
      for (const socket of isLess ? open.keys() : []) {
        const certificate = socket.getPeerX509Certificate();
        if (certificate === undefined || !isSignedByOne(certificate, roots)) {
          socket.destroy();
        }
      }
    },
    settled: async () => {
      await Promise.allSettled(running.keys());
    },
  };
}

function errorCode(error: Error): string {
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
