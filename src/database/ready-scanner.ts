/** Transaction status of ReadyForQuery: idle, in a transaction, in a failed transaction (PostgreSQL documentation §54.7). */
export type ReadyStatus = "I" | "T" | "E";

/** Follows the messages of a backend as their bytes pass by, in whatever pieces they come. */
export interface ReadyScanner {
  feed(chunk: Uint8Array): void;
  /** The status, where the last whole message was ReadyForQuery. */
  readonly status: ReadyStatus | undefined;
}

const READY_FOR_QUERY = 0x5a;
const NOTIFICATION = 0x41;

/**
 * A scanner for one stretch of the backend's answer, which begins at a message's first byte.
 *
 * @param onNotification is told what was notified of: channel and payload of NotificationResponse
 */
export function createReadyScanner(onNotification?: (channel: string, payload: string) => void): ReadyScanner {
  // A message is a type byte, then its length as an int32 that counts itself but not the type.
  const header = new Uint8Array(6);
  let headerBytes = 0;
  let remaining = 0;
  let status: ReadyStatus | undefined;
  let notification: Uint8Array[] = [];
  return {
    feed: (chunk) => {
      let at = 0;
      while (at < chunk.length) {
        if (remaining === 0 || headerBytes < 5) {
          header[headerBytes++] = chunk[at++] ?? 0;
          if (headerBytes < 5) {
            continue;
          }
          remaining = new DataView(header.buffer).getInt32(1) - 4;
          status = undefined;
        } else {
          if (header[0] === READY_FOR_QUERY) {
            status = String.fromCharCode(chunk[at] ?? 0) as ReadyStatus;
          }
          const step = Math.min(remaining, chunk.length - at);
          if (header[0] === NOTIFICATION && onNotification !== undefined) {
            notification.push(chunk.slice(at, at + step));
          }
          at += step;
          remaining -= step;
        }
        if (remaining === 0) {
          headerBytes = 0;
          if (notification.length > 0) {
            // The process id of four bytes, then two strings that end with a zero byte each.
            const [channel = "", payload = ""] = Buffer.concat(notification).subarray(4).toString("utf8").split("\0");
            notification = [];
            onNotification?.(channel, payload);
          }
        }
      }
    },
    get status() {
      return status;
    },
  };
}
