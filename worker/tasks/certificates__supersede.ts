import type { Task } from "graphile-worker";

/** Revokes certificates whose successor was confirmed an hour ago. Safe to repeat and to run twice at once. */
export const certificatesSupersede: Task = async (_payload, helpers) => {
  const { rows } = await helpers.query<{ count: number }>("select federation.supersede_certificates() as count");
  const count = rows[0]?.count ?? 0;
  if (count > 0) {
    helpers.logger.info(`certificates: ${count} superseded`);
  }
};
