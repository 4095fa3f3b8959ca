import type { makeSchema } from "postgraphile";
import { execute } from "postgraphile/grafast";
import { Kind } from "postgraphile/graphql";
import type { DocumentNode, GraphQLSchema, TypeNode } from "postgraphile/graphql";
import type { PgClient } from "postgraphile/@dataplan/pg";
import type { Statement } from "../database/round-trip.ts";

/** What PostGraphile made of a verb's document: the one statement that it sends, whatever the variables are. Its row's first value is JSON as text. */
export interface VerbPlan {
  /** The statement for these variables; what is left out is null, as the verbs' functions have it. */
  statementOf(variables: Readonly<Record<string, unknown>>): Statement;
}

/** A variable by the value that stands for it while its verb is planned. */
interface Placeholder {
  name: string;
  isJson: boolean;
  sample: unknown;
  /** How the sample is known again in what is sent to the database. */
  mark: string;
}

/**
 * Plans a verb once, by a query of PostGraphile's that is stopped where it would be sent. To plan is most of what PostGraphile does for a request, and
 * a stored document is planned the same way each time.
 *
 * @param verb names the statement, where statements are kept
 * @param document one operation with one field, the verb's function
 * @throws where PostGraphile sends no statement, or one with values that are of no variable: the database does not serve the verb
 */
export async function planVerb(
  verb: string,
  document: DocumentNode,
  schema: GraphQLSchema,
  resolvedPreset: Awaited<ReturnType<typeof makeSchema>>["resolvedPreset"],
  options: { keepsStatements: boolean },
): Promise<VerbPlan> {
  const placeholders = placeholdersOf(document);
  const sent: { text: string; values: unknown[] }[] = [];
  const recorder: PgClient = {
    query: ({ text, values = [] }) => {
      sent.push({ text, values });
      return Promise.reject(new Error("only planned"));
    },
    withTransaction: (work) => work(recorder),
  };
  await execute({
    schema,
    document,
    variableValues: Object.fromEntries(placeholders.map(({ name, sample }) => [name, sample])),
    resolvedPreset,
    contextValue: {
      pgSettings: {},
      withPgClient: <T>(_settings: unknown, work: (client: PgClient) => T | Promise<T>) =>
        Promise.resolve(work(recorder)),
    },
  });
  const [statement] = sent;
  if (statement === undefined || sent.length !== 1) {
    throw new Error(`the verb ${verb} is not one statement`);
  }
  const parameters = statement.values.map((value) => {
    const found = placeholders.filter(({ mark }) => String(value).includes(mark));
    if (found[0] === undefined || found.length > 1) {
      throw new Error(`the verb ${verb} sends a value that is none of its variables`);
    }
    return found[0];
  });
  return {
    statementOf: (variables) => ({
      ...(options.keepsStatements ? { name: `verb_${verb}` } : {}),
      text: statement.text,
      values: parameters.map(({ name, isJson }) => {
        const value = variables[name] ?? null;
        return isJson && value !== null ? JSON.stringify(value) : value;
      }),
      rowMode: "array",
    }),
  };
}

function placeholdersOf(document: DocumentNode): Placeholder[] {
  const operation = document.definitions.find((definition) => definition.kind === Kind.OPERATION_DEFINITION);
  return (operation?.variableDefinitions ?? []).map(({ variable, type }, index) => {
    const { name: scalar, isList } = scalarOf(type);
    const number = 710_000_001 + index;
    const mark = String(number);
    const sample = { Int: number, Float: number, JSON: { mark } }[scalar] ?? mark;
    return { name: variable.name.value, isJson: scalar === "JSON", sample: isList ? [sample] : sample, mark };
  });
}

function scalarOf(type: TypeNode): { name: string; isList: boolean } {
  switch (type.kind) {
    case Kind.NAMED_TYPE:
      return { name: type.name.value, isList: false };
    case Kind.LIST_TYPE:
      return { ...scalarOf(type.type), isList: true };
    case Kind.NON_NULL_TYPE:
      return scalarOf(type.type);
  }
}
