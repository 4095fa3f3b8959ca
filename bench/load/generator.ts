import { fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { JobAnswer, Load, Sample, Target } from "./job.ts";

/** The load generator's process. One run at a time. */
export interface Generator {
  /** @throws where any request was not answered with 200 */
  run(target: Target, load: Load): Promise<Sample>;
  stop(): Promise<void>;
}

/** Starts the load generator. */
export function startGenerator(): Generator {
  const child = fork(join(import.meta.dirname, "generate.ts"), {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    detached: true,
  });
  const ended = once(child, "exit");
  return {
    run: async (target, load) => {
      const answered = Promise.race([
        once(child, "message").then(([answer]) => answer as JobAnswer),
        ended.then((): JobAnswer => ({ error: "the load generator ended" })),
      ]);
      child.send({ target, load });
      const answer = await answered;
      if ("error" in answer) {
        throw new Error(answer.error);
      }
      return answer.sample;
    },
    stop: async () => {
      child.kill("SIGTERM");
      await ended;
    },
  };
}
