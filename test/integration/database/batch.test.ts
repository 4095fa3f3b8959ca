import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Batch } from "../../../src/database/batch.ts";
import type { Statement, TextRow } from "../../../src/database/batch.ts";
import { openTestDatabase } from "../../harness/database.ts";
import type { TestDatabase } from "../../harness/database.ts";

let database: TestDatabase;
let client: Client;
beforeAll(async () => {
  database = await openTestDatabase();
  client = new Client({ connectionString: database.connectionString });
  await client.connect();
  await client.query("create table public.written (value text)");
});
afterAll(async () => {
  await client.end();
  await database.close();
});

function statement(text: string, ...values: (string | null)[]): Statement {
  return { name: `test ${text}`, text, values };
}

/** Sends a batch; where statements are kept, a second time shows that they were. */
function send(statements: Statement[], keep = database.kind === "postgres"): Promise<TextRow[]> {
  return new Promise((resolve, reject) => {
    client.query(
      new Batch(statements, keep, (error, rows = []) => {
        if (error === null) {
          resolve(rows);
        } else {
          reject(error);
        }
      }),
    );
  });
}

const written = async (): Promise<unknown[]> => (await client.query("select value from public.written")).rows;

describe("a batch", () => {
  test("answers with the rows of its last statement, again and again", async () => {
    for (const value of ["a", "b", null]) {
      const rows = await send([
        statement("select set_config('test.value', coalesce($1, 'none'), true)", value),
        statement("select current_setting('test.value'), n::text from generate_series(1, 2) n"),
      ]);
      expect(rows).toEqual([
        [value ?? "none", "1"],
        [value ?? "none", "2"],
      ]);
    }
  });

  test("is one transaction: what it set is gone after it, and what it wrote is gone where it fails", async () => {
    await send([statement("select set_config('test.value', $1, true)", "kept?")]);
    expect(await send([statement("select nullif(current_setting('test.value', true), '')")])).toEqual([[null]]);
    const failing = send([
      statement("insert into public.written values ($1)", "lost"),
      statement("select 1 / $1::integer", "0"),
    ]);
    await expect(failing).rejects.toMatchObject({ code: "22012" });
    expect(await written()).toEqual([]);
  });

  test("runs nothing after a statement that failed, and leaves a connection that goes on", async () => {
    const failing = send([
      statement("select 1 / $1::integer", "0"),
      statement("insert into public.written values ($1)", "never"),
    ]);
    await expect(failing).rejects.toMatchObject({ code: "22012" });
    expect(await written()).toEqual([]);
    // What was prepared before the fault, and what was not, can be sent again.
    expect(await send([statement("select 1 / $1::integer", "1")])).toEqual([["1"]]);
    await send([statement("insert into public.written values ($1)", "now")]);
    expect(await written()).toEqual([{ value: "now" }]);
  });

  test("keeps its statements prepared, or leaves none behind", async () => {
    await send([statement("select 'kept'")]);
    const { rows } = await client.query<{ name: string }>("select name from pg_prepared_statements where name = $1", [
      "test select 'kept'",
    ]);
    expect(rows).toHaveLength(database.kind === "postgres" ? 1 : 0);
  });
});
