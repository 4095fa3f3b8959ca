import type { Server } from "node:http";
import { FederationError } from "../errors.ts";

/**
 * Starts listening.
 *
 * @throws FederationError CONFIG_INVALID where the address is taken or is not ours
 */
export async function listen(server: Server, { address, port }: { address: string; port: number }): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (cause: NodeJS.ErrnoException): void => {
      const why = cause.code === "EADDRINUSE" ? "something else listens there" : (cause.code ?? cause.message);
      reject(
        new FederationError(
          "CONFIG_INVALID",
          `${address}:${port} cannot be listened on: ${why}. Stop it, or choose another port under "listeners"`,
          { cause },
        ),
      );
    };
    server.once("error", fail);
    server.listen(port, address, () => {
      server.off("error", fail);
      resolve();
    });
  });
}

/** Takes no more connections, lets running requests end, and cuts what is left after the deadline. */
export async function stopListening(server: Server, deadlineMs: number): Promise<void> {
  const timer = setTimeout(() => {
    server.closeAllConnections();
  }, deadlineMs);
  await new Promise((resolve) => server.close(resolve));
  clearTimeout(timer);
}
