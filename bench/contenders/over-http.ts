import { Client } from "undici";
import type { Target } from "../load/job.ts";
import type { Stage } from "../stage.ts";
import type { HttpContender, PlainRow, Question } from "./contender.ts";

const TIMEOUT_MS = 120_000;

/** A contender that the load generator asks. */
export function overHttp(
  stage: Stage,
  {
    name,
    target,
    rowsOf,
  }: Pick<HttpContender, "name" | "target"> & { rowsOf: (question: Question, answer: unknown) => PlainRow[] },
): HttpContender {
  return {
    name,
    target,
    run: async (question, load) => stage.generator.run(await target(question), load),
    answer: async (question) => {
      const asked = await target(question);
      const text = await askOnce(asked, asked.bodies[0] ?? "");
      return { text, rows: rowsOf(question, JSON.parse(text)).map(plainRow) };
    },
  };
}

/** Asks once and returns the answer's text. @throws where it is no 200 */
export async function askOnce({ origin, path, tls, headers }: Target, body: string): Promise<string> {
  const client = new Client(origin, tls === undefined ? {} : { connect: { ...tls, minVersion: "TLSv1.3" } });
  try {
    const answer = await client.request({
      method: "POST",
      path,
      headers: { "content-type": "application/json", ...headers },
      body,
      headersTimeout: TIMEOUT_MS,
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) {
      throw new Error(`${origin}${path} answered with ${answer.statusCode}: ${text.slice(0, 500)}`);
    }
    return text;
  } finally {
    await client.destroy();
  }
}

function plainRow(row: PlainRow): PlainRow {
  return Object.fromEntries(
    Object.entries(row)
      .map(([name, value]): [string, unknown] => [
        name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        value,
      ])
      .map(([name, value]): [string, unknown] => [
        name,
        name === "created_at" ? Date.parse(String(value)) : name === "status" ? String(value).toLowerCase() : value,
      ])
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}
