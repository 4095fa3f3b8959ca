import { z } from "zod";
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

${table(["Key", "Value", "Default", "Meaning"], childrenOf(schema, ""))}
`;
}
