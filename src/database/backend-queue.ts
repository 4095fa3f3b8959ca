import type { PGlite } from "@electric-sql/pglite";
import { createReadyScanner } from "./ready-scanner.ts";

/**
 * Gives the one backend of the embedded database to one connection at a time: from its first message until the backend is idle
 * again, so from `begin` to `commit`, and from Parse to Sync. Before another connection gets it, everything that a session
 * can leave behind (role, settings, prepared statements, temporary tables) is discarded.
 *
 * It stands in for the queue of `@electric-sql/pglite-socket` 0.2, which hands over between any two messages outside of a
 * transaction, keeps the session, and stops for good after a fault of the engine.
 */
export interface BackendQueue {
  /** Sends one message of the frontend when its turn has come; resolves to the bytes of the answer. */
  enqueue(connection: number, message: Uint8Array, onData: (data: Uint8Array) => void): Promise<number>;
  /** Forgets what the connection was still waiting to send. */
  clearQueueForHandler(connection: number): void;
  /** Ends what the connection had begun and left open. */
  clearTransactionIfNeeded(connection: number): Promise<void>;
}

interface Entry {
  connection: number;
  run(): Promise<void>;
  drop(error: Error): void;
}

const TERMINATE = 0x58;

/**
 * @param options.idleMs how long a connection may keep the backend without a word
 * @param options.evict ends a connection that did
 * @param options.listen a channel that the backend listens on, whoever uses it, and who is told what comes
 */
export function createBackendQueue(
  db: PGlite,
  options: {
    idleMs: number;
    evict: (connection: number) => void;
    listen: { channel: string; onNotification: (payload: string) => void };
  },
): BackendQueue {
  let waiting: Entry[] = [];
  let owner: number | undefined;
  let lastOwner: number | undefined;
  let running = false;
  let idleTimer: NodeJS.Timeout | undefined;

  const onNotification = (channel: string, payload: string): void => {
    if (channel === options.listen.channel) {
      options.listen.onNotification(payload);
    }
  };

  const send = async (message: Uint8Array, onData: (data: Uint8Array) => void): Promise<void> => {
    await db.runExclusive(() => db.execProtocolRawStream(message, { onRawData: onData }));
  };
  const sendQuietly = (message: Uint8Array): Promise<void> => send(message, () => undefined);

  const next = (): Entry | undefined => {
    const index = owner === undefined ? 0 : waiting.findIndex((entry) => entry.connection === owner);
    return index < 0 ? undefined : waiting.splice(index, 1)[0];
  };

  const pump = async (): Promise<void> => {
    if (running) {
      return;
    }
    running = true;
    clearTimeout(idleTimer);
    for (let entry = next(); entry !== undefined; entry = next()) {
      await entry.run();
    }
    running = false;
    if (owner !== undefined) {
      const silent = owner;
      idleTimer = setTimeout(() => {
        options.evict(silent);
      }, options.idleMs);
    }
  };

  const add = (entry: Entry, front = false): void => {
    waiting = front ? [entry, ...waiting] : [...waiting, entry];
    void pump();
  };

  return {
    enqueue: (connection, message, onData) =>
      new Promise((resolve, reject) => {
        // The backend serves all connections: the end of one is not its end.
        if (message[0] === TERMINATE) {
          resolve(0);
          return;
        }
        add({
          connection,
          drop: reject,
          run: async () => {
            const scanner = createReadyScanner(onNotification);
            let bytes = 0;
            try {
              if (owner === undefined && lastOwner !== connection) {
                await sendQuietly(simpleQuery("discard all"));
                // PGlite's sessions begin without one to go back to, so "discard all" leaves it as it was set.
                await sendQuietly(simpleQuery(`set session authorization postgres; listen ${options.listen.channel}`));
              }
              owner = connection;
              lastOwner = connection;
              await send(message, (data) => {
                bytes += data.length;
                scanner.feed(data);
                onData(data);
              });
              if (scanner.status === "I") {
                owner = undefined;
              }
              resolve(bytes);
            } catch (error) {
              // The connection is closed upon this, which ends what it had begun.
              reject(error instanceof Error ? error : new Error(String(error)));
            }
          },
        });
      }),
    clearQueueForHandler: (connection) => {
      const dropped = waiting.filter((entry) => entry.connection === connection);
      waiting = waiting.filter((entry) => entry.connection !== connection);
      for (const entry of dropped) {
        entry.drop(new Error("the connection has ended"));
      }
    },
    clearTransactionIfNeeded: (connection) =>
      new Promise((resolve, reject) => {
        if (owner !== connection) {
          resolve();
          return;
        }
        add(
          {
            connection,
            drop: reject,
            run: async () => {
              try {
                // After an error the backend skips everything up to Sync (PostgreSQL documentation §54.2.3).
                await sendQuietly(Uint8Array.of(0x53, 0, 0, 0, 4));
                await sendQuietly(simpleQuery("rollback"));
              } catch (error) {
                reject(error instanceof Error ? error : new Error(String(error)));
              } finally {
                owner = undefined;
                lastOwner = undefined;
              }
              resolve();
            },
          },
          true,
        );
      }),
  };
}

function simpleQuery(text: string): Uint8Array {
  const body = Buffer.from(`${text}\0`);
  const message = Buffer.alloc(5 + body.length);
  message.write("Q");
  message.writeInt32BE(4 + body.length, 1);
  body.copy(message, 5);
  return message;
}
