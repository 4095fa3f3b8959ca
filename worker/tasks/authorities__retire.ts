import type { Task } from "graphile-worker";

/** Retires a root that has a successor once the last of its certificates has ended. Safe to repeat and to run twice at once. */
export const authoritiesRetire: Task = async (_payload, helpers) => {
  const { rows } = await helpers.query<{ fingerprint: string }>(
    "select fingerprint from federation.retire_authorities() as r (fingerprint)",
  );
  for (const { fingerprint } of rows) {
    helpers.logger.info(`the root ${fingerprint} has been retired`);
  }
};
