import { z } from "zod";
import { SECRET_VARIABLES } from "../../src/config/paths.ts";
import { configSchema } from "../../src/config/schema.ts";
import { code, GENERATED, table } from "./markdown.ts";

/** The part of JSON Schema that the configuration's schema uses. */
interface Node {
  type?: string;
  const?: unknown;
  enum?: unknown[];
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  default?: unknown;
  description?: string;
  properties?: Record<string, Node>;
  required?: string[];
}

function kind(node: Node): string {
  if (node.const !== undefined) {
    return code(JSON.stringify(node.const));
  }
  if (node.enum !== undefined) {
    return node.enum.map((value) => code(JSON.stringify(value))).join(" or ");
  }
  if (node.minimum !== undefined && node.maximum !== undefined) {
    return `${node.type ?? "number"}, ${node.minimum} to ${node.maximum}`;
  }
  if (node.format === "uri") {
    return "URL";
  }
  return node.pattern === undefined ? (node.type ?? "any") : `${node.type ?? "string"} matching ${code(node.pattern)}`;
}

function rowsOf(node: Node, path: string, given: boolean): string[][] {
  const own = [
    code(path),
    kind(node),
    given
      ? "required"
      : node.default === undefined || node.properties !== undefined
        ? ""
        : code(JSON.stringify(node.default)),
    node.description ?? "",
  ];
  return [own, ...childrenOf(node, `${path}.`)];
}

function childrenOf(node: Node, prefix: string): string[][] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]) =>
    rowsOf(child, `${prefix}${name}`, node.required?.includes(name) ?? false),
  );
}

/** The page of settings, from the schema that checks them. */
export function configPage(): string {
  const schema = z.toJSONSchema(configSchema, { io: "input" }) as Node;
  return `${GENERATED}

# Configuration

\`mosaic.config.json\` in the gateway's directory, as \`mosaic init\` writes it. Unknown keys are errors. "Required" below a key that is
optional itself holds once that key is there.

A variable of the environment goes before the file: \`MOSAIC_\` and the key in capitals, for example \`MOSAIC_LIMITS_REQUESTS_PER_MINUTE\` for
\`limits.requestsPerMinute\`. Secrets have no key here: they come from files in \`secrets/\` or from
${Object.values(SECRET_VARIABLES).map(code).join(", ")}.

Editors check the file with the schema that the package brings: \`"$schema": "./node_modules/mosaic-federation/schema/mosaic.config.schema.json"\`.

${table(["Key", "Value", "Default", "Meaning"], childrenOf(schema, ""))}
`;
}

/** The JSON Schema (2020-12) of the configuration, from the schema that checks it. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(configSchema, { io: "input" });
  return `${JSON.stringify({ title: "mosaic.config.json", ...schema }, null, 2)}\n`;
}
