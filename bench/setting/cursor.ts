import { Client } from "pg";
import type { QueryResult } from "pg";
import { PAGE } from "./sizes.ts";
import type { Teams } from "./sizes.ts";
import type { Work } from "./work.ts";

/** The cursor of a page, 1 being the first: as the gateway's own statements make it, for their login. */
export async function cursorOf({ gatewayUrl, grants }: Work, teams: Teams, page: number): Promise<string> {
  const { grantId, subject, serial } = grants[teams];
  const client = new Client({ connectionString: gatewayUrl });
  await client.connect();
  try {
    let after: string | null = null;
    // Cursors are signed for a grant and not for a transaction: a few long pages lead to the same row as many short ones.
    for (let rows = PAGE * (page - 1), size = 0; rows > 0; rows -= size) {
      size = Math.min(100, rows);
      await client.query("begin read only");
      await client.query("select federation.enter_as_peer($1, $2, $3)", [grantId, subject, serial]);
      await client.query("set local role federation_peer");
      const answer: QueryResult<{ cursor: string | null }> = await client.query(
        "select federation_api.list('tasks', first => $1, after => $2) ->> 'nextCursor' as cursor",
        [size, after],
      );
      await client.query("commit");
      after = answer.rows[0]?.cursor ?? null;
      if (after === null) {
        throw new Error(`the subject does not see ${page} pages`);
      }
    }
    return after ?? "";
  } finally {
    await client.end();
  }
}
