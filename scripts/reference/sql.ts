import type { ClientBase } from "pg";
import { code, GENERATED, table } from "./markdown.ts";

interface SqlFunction {
  schema: string;
  name: string;
  arguments: string;
  result: string;
  comment: string;
  roles: string[];
}

const SCHEMAS = ["federation", "federation_api", "home_api", "admin_api"];

// Granted to administrators because their functions run with their own rights and call these, or because the command line does.
const CALLED_BY_OTHERS = new Set([
  "add_authority",
  "add_peer",
  "check_identity_settings",
  "column_type",
  "describe_resource",
  "explain_as_administrator",
  "enter_as_person",
  "expression_type",
  "forget_resource",
  "identity_columns",
  "is_unique_key",
  "list_authorities",
  "native_policy_statement",
  "needed_privileges",
  "order_terms",
  "peer_roots",
  "privilege_held",
  "privilege_object_exists",
  "privilege_statement",
  "publish_settings",
  "read_as_caller",
  "registered_resource",
  "require_administrator",
  "record_identity",
  "record_privilege",
  "record_resource",
  "require_user",
  "reseal_value",
  "rotate_authority",
  "resource_columns",
  "row_expression",
  "scope_policy_statement",
  "sealed_values",
  "single_key",
  "tg_memberships__revoke_grants",
  "tg_users__revoke_grants",
  "trust_peer_root",
  "watch_table",
]);

// Whom a function was granted to by name; its owner and superusers come on top.
const FUNCTIONS = `
  select n.nspname as schema, p.proname as name, pg_get_function_arguments(p.oid) as arguments, pg_get_function_result(p.oid) as result,
    coalesce(obj_description(p.oid, 'pg_proc'), '') as comment,
    array(
      select x.grantee::regrole::text from aclexplode(p.proacl) x
      where x.privilege_type = 'EXECUTE' and x.grantee <> p.proowner order by 1
    ) as roles
  from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname = any ($1::text[])
  order by n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)`;

const VIEWS = `
  select c.oid::regclass::text as name, coalesce(obj_description(c.oid, 'pg_class'), '') as comment,
    array(select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 order by a.attnum) as columns
  from pg_catalog.pg_class c
  where c.relnamespace = any ($1::text[]::regnamespace[]) and c.relkind = 'v'
  order by 1`;

function section(entry: SqlFunction): string {
  const signature = `${entry.schema}.${entry.name}(${entry.arguments.includes(", ") ? `\n  ${entry.arguments.split(/, (?=[a-z_"]+ )/).join(",\n  ")}\n` : entry.arguments}) → ${entry.result}`;
  return `### ${entry.name}

\`\`\`text
${signature}
\`\`\`

${entry.comment}

Executable by ${entry.roles.map(code).join(", ")}.`;
}

/** The page of SQL functions, from the catalogue of a migrated database. Leaves the search path of the transaction empty. */
export async function sqlPage(client: Pick<ClientBase, "query">): Promise<string> {
  await client.query("set local search_path = ''");
  const { rows: functions } = await client.query<SqlFunction>(FUNCTIONS, [SCHEMAS]);
  const { rows: views } = await client.query<{ name: string; comment: string; columns: string[] }>(VIEWS, [SCHEMAS]);
  const admin = functions.filter(
    ({ schema, name, roles }) =>
      schema === "federation" && roles.includes("federation_admin") && !CALLED_BY_OTHERS.has(name),
  );
  const internal = functions.filter((entry) => entry.schema === "federation" && !admin.includes(entry));
  return `${GENERATED}

# SQL functions

Every administrator's action is one of the functions under "Administration": psql, the command line and the gateway call the same ones.
A role that is a member of \`federation_admin\` may execute them. PUBLIC may execute none.

## Administration

${admin.map(section).join("\n\n")}

## Verbs

What a peer can say, and what its GraphQL shows.

${functions
  .filter((entry) => entry.schema === "federation_api")
  .map(section)
  .join("\n\n")}

## Pages

What the pages ask, each field of their GraphQL one of these. They answer the person whose session the transaction carries.

${functions
  .filter((entry) => entry.schema === "admin_api")
  .map(section)
  .join("\n\n")}

## Views

What the GraphQL of local users shows.

${table(
  ["View", "Columns", "Meaning"],
  views.map((view) => [code(view.name), view.columns.map(code).join(", "), view.comment.replace(/^(@.*\n)+/, "")]),
)}

## Internal

What the gateway, the policies and the functions above call. Not an interface: they change with any release.

${table(
  ["Function", "Executable by", "Meaning"],
  internal.map((entry) => [code(`${entry.schema}.${entry.name}`), entry.roles.map(code).join(", "), entry.comment]),
)}
`;
}
