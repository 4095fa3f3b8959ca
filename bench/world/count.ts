import { readerUrl, STATEMENTS } from "../peers/statements.ts";
import type { Stage } from "../stage.ts";
import { onDatabase } from "./gateway.ts";
import { SUBJECT, teamsInScope } from "./rows.ts";
import { SCOPES } from "./server.ts";

/** Of each size that was loaded, the rows that the subject may see within each scope. */
export async function countInScope(stage: Stage): Promise<{ rows: number; inScope: Record<string, number> }[]> {
  const counted = [];
  for (const rows of stage.options.rows.filter((size) => stage.isLoaded(size))) {
    const { databaseUrl } = await stage.loaded(rows);
    const inScope = await onDatabase(readerUrl(databaseUrl), async (client) => {
      const counts: Record<string, number> = {};
      for (const teams of SCOPES) {
        await client.query(STATEMENTS.begin);
        await client.query(STATEMENTS.session, [SUBJECT, teamsInScope(teams).join(",")]);
        const found = await client.query<{ rows: number }>("select count(*)::integer as rows from app.tasks");
        await client.query(STATEMENTS.commit);
        counts[teams] = found.rows[0]?.rows ?? 0;
      }
      return counts;
    });
    counted.push({ rows, inScope });
  }
  return counted;
}
