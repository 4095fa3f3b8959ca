import type { Duplex } from "node:stream";

/** Counts open connections, so that one peer cannot have all that a process may open. */
export interface ConnectionLimit {
  /** @returns false where `key` has too many; the connection counts until it is closed in any case */
  take(key: string, socket: Duplex): boolean;
}

/** @param most connections of one key that are open at once */
export function createConnectionLimit(most: number): ConnectionLimit {
  const open = new Map<string, number>();
  return {
    take: (key, socket) => {
      const now = (open.get(key) ?? 0) + 1;
      open.set(key, now);
      socket.once("close", () => {
        const left = (open.get(key) ?? 1) - 1;
        if (left === 0) {
          open.delete(key);
        } else {
          open.set(key, left);
        }
      });
      return now <= most;
    },
  };
}
