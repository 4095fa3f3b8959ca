import type { Task } from "graphile-worker";
import { request } from "undici";

/** What a webhook may take to answer, ms. */
const TIMEOUT_MS = 5_000;
/** For so long one job goes on, ms: the next comes a minute after it. */
const MOST_MS = 45_000;
/** What a webhook says of itself and not of the alert: request timeout, too early, too many requests (RFC 9110 §15.5.9, RFC 8470, RFC 6585). */
const NOT_NOW: readonly number[] = [408, 425, 429];

interface AlertRow {
  id: string;
  at: Date;
  severity: string;
  code: string;
  subject: string;
  message: string;
}

/**
 * Posts each alert that the webhook was not told yet, the oldest first. One that it refuses (4xx) is left for the next minute, and so are all where
 * it takes none. It is told twice where this process ends between its answer and our note of it.
 *
 * @param webhookUrl undefined where there is none
 */
export function alertsDeliver(webhookUrl: string | undefined): Task {
  return async (_payload, helpers) => {
    if (webhookUrl === undefined) {
      return;
    }
    const { rows } = await helpers.query<AlertRow>("select * from federation.undelivered_alerts()");
    const until = Date.now() + MOST_MS;
    for (const { id, severity, code, subject, message, at } of rows) {
      if (Date.now() > until) {
        return;
      }
      const refusal = await post(webhookUrl, { severity, code, subject, message, at: at.toISOString() });
      if (refusal === undefined) {
        await helpers.query("select federation.mark_alert_delivered($1)", [id]);
        continue;
      }
      helpers.logger.warn(`alerts: the webhook did not take ${code} (${refusal.why}); it is told again in a minute`);
      if (!refusal.isOfAlert) {
        return;
      }
    }
  };
}

/** Why a webhook did not take an alert, and whether that is said of this alert alone. */
interface Refusal {
  why: string;
  isOfAlert: boolean;
}

/** @returns undefined where it was taken */
async function post(url: string, alert: Record<string, string>): Promise<Refusal | undefined> {
  try {
    const { statusCode, body } = await request(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(alert),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await body.dump();
    return statusCode >= 200 && statusCode < 300
      ? undefined
      : {
          why: `status ${statusCode}`,
          isOfAlert: statusCode >= 400 && statusCode < 500 && !NOT_NOW.includes(statusCode),
        };
  } catch (error) {
    const why = error instanceof Error ? ("code" in error ? String(error.code) : error.name) : "no answer";
    return { why, isOfAlert: false };
  }
}
