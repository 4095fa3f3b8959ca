import { ERROR_TABLE } from "../../src/errors.ts";
import { code, GENERATED, table } from "./markdown.ts";

interface Row {
  status: number;
  exit: number;
  sqlstate?: string;
  meaning: string;
}

/** The page of error codes, from the one table of errors. */
export function errorsPage(): string {
  const rows = Object.entries<Row>(ERROR_TABLE);
  return `${GENERATED}

# Errors

The code is what callers may rely on; messages may change. It stands in \`errors[0].extensions.code\` of every GraphQL answer, beside
\`requestId\`, by which the operator finds the cause in the log, and in the \`--json\` output of the command line. A command that fails
ends with the exit code (sysexits.h). The database raises an error under its SQLSTATE, which psql shows with \`\\set VERBOSITY verbose\`.

${table(
  ["Code", "HTTP status", "Exit code", "SQLSTATE", "Meaning"],
  rows.map(([name, row]) => [code(name), String(row.status), String(row.exit), code(row.sqlstate), row.meaning]),
)}
`;
}
