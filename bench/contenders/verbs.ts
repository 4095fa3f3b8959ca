import { readerUrl, STATEMENTS } from "../peers/statements.ts";
import type { Stage } from "../stage.ts";
import { onDatabase } from "../world/gateway.ts";
import { SUBJECT, teamsInScope } from "../world/rows.ts";
import type { PlainRow, Question } from "./contender.ts";

/** How many different rows `get` goes through. */
const IDS = 200;

/** The bodies of a question as the gateway, and what is written by hand, take them. */
export async function verbBodies(stage: Stage, question: Question): Promise<string[]> {
  const { verb, first } = question;
  if (verb === "list") {
    return [
      JSON.stringify({
        documentId: "list",
        variables: { resource: "tasks", ...(first === undefined ? {} : { first }) },
      }),
    ];
  }
  const ids = await idsInScope(stage, question);
  return ids.map((id) => JSON.stringify({ documentId: "get", variables: { resource: "tasks", id } }));
}

/** The rows of their answers. */
export function verbRows({ verb }: Question, answer: unknown): PlainRow[] {
  const { data } = answer as { data: { list: { rows: PlainRow[] }; get: PlainRow } };
  return verb === "list" ? data.list.rows : [data.get];
}

/** Ids of rows that the subject may see, within the scope, the oldest first. */
export function idsInScope(stage: Stage, { rows, teams }: Question): Promise<string[]> {
  return stage.once(`ids ${rows} ${teams}`, async () => {
    const { databaseUrl } = await stage.loaded(rows);
    return onDatabase(readerUrl(databaseUrl), async (client) => {
      await client.query(STATEMENTS.begin);
      await client.query(STATEMENTS.session, [SUBJECT, teamsInScope(teams).join(",")]);
      const found = await client.query<{ id: string }>(STATEMENTS.list, [IDS]);
      return found.rows.map(({ id }) => id);
    });
  });
}
