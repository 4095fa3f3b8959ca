import { expect, test } from "vitest";
import { differences } from "../../../src/migrate/catalogue.ts";

const policies = (using: string) => ({ policies: new Map([["app.tasks mine", `restrictive r using ${using}`]]) });

test("an object that is missing or another one is named", () => {
  const source = policies("(owner_id = 'alice'::text)");
  expect(differences(source, source, true)).toEqual([]);
  expect(differences(source, { policies: new Map() }, true)).toEqual(["policies: app.tasks mine is missing"]);
  expect(differences(source, {}, true)).toHaveLength(1);
  expect(differences(source, policies("true"), true)).toHaveLength(1);
  expect(differences(source, policies("true"), false)).toHaveLength(1);
});

test("two versions may write one expression with other brackets and qualifiers", () => {
  const [source, target] = [policies("(tasks.owner_id = 'alice'::text)"), policies("((owner_id) = 'alice'::text)")];
  expect(differences(source, target, false)).toEqual([]);
  expect(differences(source, target, true)).toHaveLength(1);
});
