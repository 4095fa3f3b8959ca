import { codeOfSqlstate } from "../database/errors.ts";
import type { ErrorCode } from "../errors.ts";

/** What decided: a stage before any row is looked at, or one of a row. `cap`: the row comes, but not with the first answer. */
export type Stage =
  "grant" | "certificate" | "subject" | "resource" | "native" | "team" | "personal" | "policy" | "cap";

/** One stage of the way to a resource. */
export interface ExplainedStage {
  stage: Stage;
  /** Null where it was not asked. */
  passes: boolean | null;
  /** The grant's status, the certificate's code, the subject's id, or why a resource is not reached. */
  reason: string | null;
  /** Of the subject: the teams that it is in now. */
  teams?: string[];
  /** Of the grant: when it ends by itself, ISO 8601. */
  expiresAt?: string | null;
}

/** One column of the resource's table. */
export interface ExplainedColumn {
  name: string;
  leaves: boolean;
  decidedBy: "hidden column" | "embedding" | "not registered" | null;
}

/** What one policy that binds a peer says of a row. */
export interface ExplainedPolicy {
  name: string;
  kind: "permissive" | "restrictive";
  /** Null where it could not be asked; `reason` then says why, as "hidden column" or a SQLSTATE. */
  admits: boolean | null;
  reason: string | null;
}

/** One row: what each stage says of it (null: not its case), as if the grant served and its scope named the resource. */
export interface ExplainedRow {
  id: string;
  /** Null where a row that is not there and one that the caller may not see are not told apart. */
  exists: boolean | null;
  served: boolean;
  decidedBy: Stage | null;
  /** Whether the subject sees it. */
  native: boolean;
  /** Whether the row has no team, and such rows are in scope. */
  personal: boolean | null;
  /** Whether the row's team is in scope. */
  team: boolean | null;
  /** Whether the subject is in the row's team. */
  teamOfSubject: boolean | null;
  /** Whether it is among the rows of the first answer. */
  cap: boolean | null;
  policies: ExplainedPolicy[];
}

/** Why a peer is served a resource, a row or rows, or is not. */
export interface Explanation {
  grant: { id: string; subject: string; peer: string };
  resource: string;
  /** What the peer's own request comes to now. */
  code: ErrorCode | "OK";
  decidedBy: Stage | null;
  stages: ExplainedStage[];
  maxRowsPerQuery: number;
  columns: ExplainedColumn[];
  rows: ExplainedRow[];
}

/** What a peer sees of one resource. */
export interface VisibleResource {
  resource: string;
  admitted: boolean;
  reason: string | null;
  /** Counted up to 10 000. */
  rows: number;
  /** Rows that the subject sees, counted up to 10 000; null where the subject is gone or the table is unprotected. */
  rowsOfSubject: number | null;
  /** Whether either count stopped there. */
  more: boolean;
  samples: Record<string, unknown>[];
}

/** What a peer sees of everything. */
export interface Visible {
  grant: { id: string; subject: string; peer: string };
  /** Other than OK, the peer sees nothing for now, and the rest is what it would see. */
  code: ErrorCode | "OK";
  scope: Record<string, unknown>;
  resources: VisibleResource[];
}

type Refusable<T extends { code: string }> = Omit<T, "code"> & { refused: string | null };

/** An explanation as the database gives it, with codes for its SQLSTATEs. */
export function explanationOf({ refused, ...explained }: Refusable<Explanation>): Explanation {
  const { grant, resource, decidedBy, maxRowsPerQuery, columns, rows } = explained;
  const stages = explained.stages.map((stage) =>
    stage.stage === "certificate" && stage.reason !== null ? { ...stage, reason: codeOf(stage.reason) } : stage,
  );
  return { grant, resource, code: codeOf(refused), decidedBy, stages, maxRowsPerQuery, columns, rows };
}

/** What a peer sees as the database gives it, with a code for its SQLSTATE. */
export function visibleOf({ refused, grant, scope, resources }: Refusable<Visible>): Visible {
  return { grant, code: codeOf(refused), scope, resources };
}

function codeOf(refused: string | null): ErrorCode | "OK" {
  return refused === null ? "OK" : (codeOfSqlstate(refused) ?? "INTERNAL");
}
