import { cruise } from "dependency-cruiser";
import type { ICruiseResult } from "dependency-cruiser";
import extractTsConfig from "dependency-cruiser/config-utl/extract-ts-config";
import type { ClientBase } from "pg";
import { packageRoot } from "../../src/config/package-root.ts";
import { GENERATED, table } from "./markdown.ts";

/** The folders that a request of a peer passes, in the order in which it meets them. */
const SERVING = ["listeners", "pki", "revocation", "admission", "verbs", "graphile", "enrollment", "database", "audit"];
/** The same for a request of a local user that goes to others. */
const CALLING = ["listeners", "auth", "graphile", "explain", "source", "client", "database", "seal", "pki"];
/** The same for a request of a page in a browser. */
const ADMINISTERING = ["listeners", "pages", "auth", "graphile", "explain", "database", "audit"];

/** One station needs another: so many imports of values, types apart. */
interface Edge {
  from: string;
  to: string;
  imports: number;
}

/** The page of pictures: what imports what in `src/`, by dependency-cruiser, and which table refers to which, from the catalogue. */
export async function architecturePage(client: Pick<ClientBase, "query">): Promise<string> {
  const edges = await folderEdges();
  return `${GENERATED}

# Pictures of the architecture

What they mean is in [the architecture](../ARCHITECTURE.md).

## The way of a peer's request

The folders of \`src/\` that it passes, and which needs which. A number says how many imports an arrow stands for, where it is more than one.

${flowchart(SERVING, edges)}

## The way of a local user's request

${flowchart(CALLING, edges)}

## The way of a page's request

${flowchart(ADMINISTERING, edges)}

## Which folder needs which

Every folder of \`src/\`, by what its modules import, types too: what a module is handed, it knows by its type alone. \`.dependency-cruiser.cjs\` says what may not be.

${table(["Folder", "Needs", "Is needed by"], folderRows(edges))}

## The tables of the federation

${await entities(client)}
`;
}

async function folderEdges(): Promise<Edge[]> {
  const { output } = await cruise(
    ["src"],
    {
      baseDir: packageRoot(),
      doNotFollow: { path: "node_modules" },
      tsPreCompilationDeps: true,
      includeOnly: "^src/",
    },
    undefined,
    { tsConfig: extractTsConfig("tsconfig.json") },
  );
  if (typeof output === "string") {
    throw new Error("dependency-cruiser gave a report where its result was asked for");
  }
  const counts = new Map<string, Edge>();
  for (const { source, dependencies } of (output satisfies ICruiseResult).modules) {
    for (const { resolved } of dependencies) {
      const [from, to] = [folderOf(source), folderOf(resolved)];
      if (from !== to) {
        const edge = counts.get(`${from} ${to}`) ?? { from, to, imports: 0 };
        counts.set(`${from} ${to}`, { ...edge, imports: edge.imports + 1 });
      }
    }
  }
  return [...counts.values()].toSorted((a, b) => compare(a.from, b.from) || compare(a.to, b.to));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** `listeners` of `src/listeners/http.ts`; a module beside the folders stands for itself. */
function folderOf(path: string): string {
  return path.split("/")[1] ?? path;
}

function flowchart(folders: readonly string[], edges: readonly Edge[]): string {
  const lines = edges
    .filter(({ from, to }) => folders.includes(from) && folders.includes(to))
    .map(({ from, to, imports }) => `  ${from} -->${imports > 1 ? `|${imports}|` : ""} ${to}`);
  return mermaid(["flowchart LR", ...folders.map((folder) => `  ${folder}["src/${folder}"]`), ...lines]);
}

function folderRows(edges: readonly Edge[]): string[][] {
  const names = [...new Set(edges.flatMap(({ from, to }) => [from, to]))].toSorted(compare);
  const list = (of: readonly string[]): string => of.map((name) => `\`${name}\``).join(", ");
  return names.map((name) => [
    `\`${name}\``,
    list(edges.filter(({ from }) => from === name).map(({ to }) => to)),
    list(edges.filter(({ to }) => to === name).map(({ from }) => from)),
  ]);
}

const TABLES = `
  select c.relname as name, obj_description(c.oid, 'pg_class') as comment,
    (select jsonb_agg(jsonb_build_object(
        'name', a.attname, 'type', regexp_replace(format_type(a.atttypid, a.atttypmod), '[^a-z0-9]+', '_', 'g'),
        'key', exists (select from pg_constraint k where k.conrelid = c.oid and k.contype = 'p' and a.attnum = any (k.conkey))
      ) order by a.attnum)
     from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_catalog.pg_class c
  where c.relnamespace = 'federation'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
  order by 1`;

const REFERENCES = `
  select distinct k.conrelid::regclass::text as "from", k.confrelid::regclass::text as "to",
    (select string_agg(a.attname, ', ' order by a.attnum) from pg_attribute a where a.attrelid = k.conrelid and a.attnum = any (k.conkey)) as by
  from pg_catalog.pg_constraint k
  where k.contype = 'f' and k.conparentid = 0 and k.connamespace = 'federation'::regnamespace
  order by 1, 2, 3`;

async function entities(client: Pick<ClientBase, "query">): Promise<string> {
  await client.query("set local search_path = federation");
  const { rows: tables } = await client.query<{
    name: string;
    comment: string;
    columns: { name: string; type: string; key: boolean }[];
  }>(TABLES);
  const { rows: references } = await client.query<{ from: string; to: string; by: string }>(REFERENCES);
  const picture = mermaid([
    "erDiagram",
    ...tables.flatMap(({ name, columns }) => [
      `  ${name} {`,
      ...columns.map((column) => `    ${column.type} ${column.name}${column.key ? " PK" : ""}`),
      "  }",
    ]),
    ...references.map(({ from, to, by }) => `  ${to} ||--o{ ${from} : "${by}"`),
  ]);
  return `${picture}\n\n${table(
    ["Table", "Meaning"],
    tables.map(({ name, comment }) => [`\`${name}\``, comment]),
  )}`;
}

function mermaid(lines: readonly string[]): string {
  return ["```mermaid", ...lines, "```"].join("\n");
}
