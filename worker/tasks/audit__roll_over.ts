import type { Task } from "graphile-worker";

/**
 * Makes partitions of the audit log for the coming weeks, and moves those that ended more than 90 days ago to the archive. Safe to repeat
 * and to run twice at once: the second waits, and finds nothing to do.
 */
export const auditRollOver: Task = async (_payload, helpers) => {
  const { rows } = await helpers.query<{ action: string; partition: string }>(
    "select action, partition from federation.roll_audit()",
  );
  for (const { action, partition } of rows) {
    helpers.logger.info(`audit log: ${partition} ${action}`);
  }
};
