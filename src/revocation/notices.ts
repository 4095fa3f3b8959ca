import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import type { Logger } from "pino";
import { z } from "zod";
import { CHANNEL } from "../database/notice-channel.ts";

const notice = z.object({
  /** Absent where so many changed at once that they are not named. */
  grant: z.string().optional(),
  /** Of a change of one certificate, its serial. */
  certificate: z.string().optional(),
  /** What the grant is now, or `changed` where its scope is another. */
  status: z.string().optional(),
  /** True where it is the authorities that have changed. */
  authorities: z.boolean().optional(),
});

/** A change of grants, certificates or authorities. */
export type GrantNotice = z.output<typeof notice>;

/** Changes of grants as they are told. Nothing rests on them: each transaction reads the grant itself. */
export interface Notices {
  /** False while changes would be missed: they are learnt of later, when they are looked for. */
  readonly listening: boolean;
  /** Settles when it listens for the first time, or could not. */
  begun: Promise<void>;
  close(): Promise<void>;
}

/** What is done upon notices. */
export interface NoticeHandlers {
  onNotice: (notice: GrantNotice) => void;
  /** From now on notices come; what changed before has to be looked for. */
  onListening: () => void;
}

const SHORTEST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** How often a connection is asked whether it is still there, and how long it may take to say so, ms. */
const HEARTBEAT_MS = 5_000;

/** Reads the payload of a notice; one that is not ours says that something changed. */
export function readNotice(payload: string): GrantNotice {
  try {
    return notice.parse(JSON.parse(payload));
  } catch {
    return {};
  }
}

/** Listens on a connection of its own, and again whenever that was lost. */
export function listenForNotices(options: { connectionString: string; log: Logger } & NoticeHandlers): Notices {
  const { connectionString, log, onNotice, onListening } = options;
  const ending = new AbortController();
  let listening = false;
  const begun = Promise.withResolvers<undefined>();
  const before = { listened: false };
  const isEnding = (): boolean => ending.signal.aborted;

  const listenOnce = async (): Promise<void> => {
    const client = new Client({
      connectionString,
      connectionTimeoutMillis: HEARTBEAT_MS,
      query_timeout: HEARTBEAT_MS,
      keepAlive: true,
    });
    const lost = Promise.withResolvers<never>();
    lost.promise.catch(() => undefined);
    client.on("error", lost.reject).on("end", () => {
      lost.reject(new Error("the connection ended"));
    });
    client.on("notification", ({ channel, payload }) => {
      if (channel === CHANNEL) {
        onNotice(readNotice(payload ?? ""));
      }
    });
    try {
      await client.connect();
      await client.query(`listen ${CHANNEL}`);
      listening = true;
      before.listened = true;
      begun.resolve(undefined);
      onListening();
      while (!ending.signal.aborted) {
        await Promise.race([sleep(HEARTBEAT_MS, undefined, { signal: ending.signal }), lost.promise]);
        await client.query("select 1");
      }
    } finally {
      listening = false;
      await client.end().catch(() => undefined);
    }
  };

  const listenOn = async (): Promise<void> => {
    let failures = 0;
    while (!isEnding()) {
      try {
        await listenOnce();
      } catch (error) {
        if (isEnding()) {
          return;
        }
        failures = before.listened ? 1 : failures + 1;
        before.listened = false;
        begun.resolve(undefined);
        if (failures <= 1) {
          log.warn({ err: error }, "changes of grants are not told for now; each request reads its grant all the same");
        }
        const pause = Math.min(SHORTEST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS);
        await sleep(pause * (0.5 + Math.random() / 2), undefined, { signal: ending.signal }).catch(() => undefined);
      }
    }
  };
  const running = listenOn();

  return {
    get listening() {
      return listening;
    },
    begun: begun.promise,
    close: async () => {
      ending.abort();
      await running;
    },
  };
}
