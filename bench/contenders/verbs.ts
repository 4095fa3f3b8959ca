import { readerUrl, STATEMENTS } from "../peers/statements.ts";
import type { Stage } from "../stage.ts";
import { onDatabase } from "../world/gateway.ts";
import { SUBJECT, teamsInScope } from "../world/rows.ts";
import type { PlainRow, Question } from "./contender.ts";

/** How many different rows `get` and `search` go through. */
const ROWS = 200;

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
  const rowsInScope = await someInScope(stage, question);
  return rowsInScope.map(({ id, words }) =>
    JSON.stringify(
      verb === "get"
        ? { documentId: "get", variables: { resource: "tasks", id } }
        : { documentId: "search", variables: { resources: ["tasks"], query: words } },
    ),
  );
}

/** The rows of their answers. */
export function verbRows({ verb }: Question, answer: unknown): PlainRow[] {
  const { data } = answer as {
    data: { list: { rows: PlainRow[] }; get: PlainRow; search: { hits: { row: PlainRow }[] } };
  };
  switch (verb) {
    case "list":
      return data.list.rows;
    case "get":
      return [data.get];
    case "search":
      return data.search.hits.map(({ row }) => row);
  }
}

/** Of rows that the subject may see, within the scope, the oldest first: the key, and words that no other row has together. */
export function someInScope(stage: Stage, { rows, teams }: Question): Promise<{ id: string; words: string }[]> {
  return stage.once(`some ${rows} ${teams}`, async () => {
    const { databaseUrl } = await stage.loaded(rows);
    return onDatabase(readerUrl(databaseUrl), async (client) => {
      await client.query(STATEMENTS.begin);
      await client.query(STATEMENTS.session, [SUBJECT, teamsInScope(teams).join(",")]);
      const found = await client.query<{ id: string; title: string }>(STATEMENTS.list, [ROWS]);
      return found.rows.map(({ id, title }) => ({ id, words: title.replace("Task", "number") }));
    });
  });
}
