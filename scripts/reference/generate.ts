import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/config/package-root.ts";
import { rolledBack } from "../sample-database.ts";
import { architecturePage } from "./architecture.ts";
import { cliPage } from "./cli.ts";
import { configJsonSchema, configPage } from "./config.ts";
import { errorsPage } from "./errors.ts";
import { graphqlSchemas } from "./graphql.ts";
import { sqlPage } from "./sql.ts";

/** The generated files: paths from the project's root, and their texts. */
export async function generateReference(connectionString: string): Promise<Map<string, string>> {
  const { federation, home, pages } = await graphqlSchemas(connectionString);
  return new Map([
    ["docs/reference/errors.md", errorsPage()],
    ["docs/reference/config.md", configPage()],
    ["schema/mosaic.config.schema.json", configJsonSchema()],
    ["docs/reference/cli.md", await cliPage()],
    ["docs/reference/sql.md", await rolledBack(connectionString, sqlPage)],
    ["docs/reference/architecture.md", await rolledBack(connectionString, architecturePage)],
    ["docs/reference/federation.graphql", federation],
    ["docs/reference/home.graphql", home],
    ["docs/reference/pages.graphql", pages],
  ]);
}

/** Which of the generated files differ from those in the project. */
export function staleFiles(generated: ReadonlyMap<string, string>): string[] {
  return [...generated].flatMap(([path, text]) => {
    const file = join(packageRoot(), path);
    return existsSync(file) && readFileSync(file, "utf8") === text ? [] : [path];
  });
}
