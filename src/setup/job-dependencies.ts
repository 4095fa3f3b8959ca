import type { Logger } from "pino";
import { createPeerRenewals } from "../client/peer-renewals.ts";
import type { PeerRenewals } from "../client/peer-renewals.ts";
import type { GatewayPaths } from "../config/paths.ts";
import type { Config } from "../config/schema.ts";
import { loadKeyring } from "../seal/keyring.ts";

/** What the jobs of a gateway's database need of its directory. */
export function jobDependencies(options: {
  adminUrl: string;
  config: Pick<Config, "limits" | "alerts">;
  paths: Pick<GatewayPaths, "sealKeys">;
  log: Pick<Logger, "info" | "warn">;
}): { renewals: PeerRenewals; alertWebhookUrl: string | undefined } {
  const { adminUrl, config, paths, log } = options;
  return {
    renewals: createPeerRenewals({
      adminUrl,
      keyring: () => loadKeyring(paths.sealKeys),
      timeoutMs: config.limits.peerTimeoutMs,
      log,
    }),
    alertWebhookUrl: config.alerts.webhookUrl,
  };
}
