/** A remote gateway of one local user, as `federation.federation_peers` holds it. */
export interface Peer {
  id: string;
  host: string;
  federationUrl: string;
  /** Where it shows its revocation list. */
  publicUrl: string;
  grantId: string;
  /** The root that was pinned at enrollment, PEM. */
  rootPem: string;
  /** Further roots that it told of since, PEM. */
  trustedRootsPem: string[];
  /** Our certificate, then its intermediates, PEM. */
  certificateChainPem: string[];
  certificateSerial: string;
  certificateNotAfter: Date;
  /** Whether that has passed, by the clock of the database. */
  certificateEnded: boolean;
  /** PKCS#8, sealed with `id` as associated data. */
  sealedKey: Buffer;
  state: "active" | "degraded" | "revoked";
  /** How long its answers are good, seconds; null for as long as the gateway's configuration says. */
  cacheTtlSeconds: number | null;
}
