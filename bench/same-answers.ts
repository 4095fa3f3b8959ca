import { deepStrictEqual } from "node:assert";
import type { HttpContender, Question } from "./contenders/contender.ts";

/** @throws unless every contender answers with the same rows in the same order; the times of another answer would mean nothing */
export async function requireSameAnswers(contenders: readonly HttpContender[], question: Question): Promise<number> {
  const [first, ...others] = contenders;
  const expected = (await first?.answer(question))?.rows ?? [];
  if (expected.length === 0) {
    throw new Error(`${first?.name ?? "nobody"} answers ${question.verb} with no row`);
  }
  for (const other of others) {
    const { rows } = await other.answer(question);
    deepStrictEqual(rows, expected, `${other.name} answers with other rows than ${first?.name ?? ""}`);
  }
  return expected.length;
}
