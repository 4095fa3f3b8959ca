import type { Task } from "graphile-worker";

/** Ends the grants whose time is up. None of them serves before, either. Safe to repeat and to run twice at once. */
export const grantsExpire: Task = async (_payload, helpers) => {
  const { rows } = await helpers.query<{ grant_id: string }>("select grant_id from federation.expire_grants()");
  for (const { grant_id } of rows) {
    helpers.logger.info(`grant ${grant_id} has expired`);
  }
};
