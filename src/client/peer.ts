/** A remote gateway of one local user, as `federation.federation_peers` holds it. */
export interface Peer {
  id: string;
  host: string;
  federationUrl: string;
  grantId: string;
  /** The root that was pinned at enrollment, PEM. */
  rootPem: string;
  /** Our certificate, then its intermediates, PEM. */
  certificateChainPem: string[];
  certificateSerial: string;
  /** PKCS#8, sealed with `id` as associated data. */
  sealedKey: Buffer;
  state: "active" | "degraded" | "revoked";
}
