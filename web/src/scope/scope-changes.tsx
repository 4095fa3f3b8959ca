import type { ResultOf } from "gql.tada";
import type { ReactElement } from "react";
import { graphql } from "../api/graphql.ts";
import { Badge } from "../ui/badge.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table.tsx";
import { Note } from "../ui/notes.tsx";
import { Rows } from "../ui/rows.tsx";

/** What is counted of one resource. */
export const scopeChangeFragment = graphql(`
  fragment ScopeChangeFields on ScopeChange {
    resource
    admittedBefore
    admittedAfter
    unprotected
    rowsBefore
    rowsAfter
    rowsGained
    rowsLost
    more
    examplesGained
    examplesLost
  }
`);

/** What another scope would change, counted under the real policies. */
export const previewMutation = graphql(
  `
    mutation PreviewScope($grantId: String!, $scope: JSON!) {
      previewScope(grantId: $grantId, scope: $scope) {
        widens
        widenedBy
        resources {
          ...ScopeChangeFields
        }
      }
    }
  `,
  [scopeChangeFragment],
);

/** Rows that a peer would gain and lose. */
export type Preview = ResultOf<typeof previewMutation>["previewScope"];

const WIDENINGS: Partial<Record<string, string>> = {
  resources: "more resources",
  include_teams: "rows of more teams",
  include_personal: "personal rows",
  max_rows_per_query: "more rows in one answer",
};

/** Resource by resource, what the peer would gain and lose, with examples. */
export function ScopeChanges({ preview, peer }: { preview: Preview; peer: string }): ReactElement {
  return (
    <div className="stack">
      {preview.widens ? (
        <Note tone="warn">
          <p>
            <strong>This widens the grant:</strong>{" "}
            {preview.widenedBy.map((what) => WIDENINGS[what] ?? what).join(", ")}. It has to be confirmed.
          </p>
        </Note>
      ) : (
        <Note tone="good">
          <p>
            <strong>This does not widen the grant.</strong> It holds for the next request of {peer} once it is saved.
          </p>
        </Note>
      )}
      <ChangedRows resources={preview.resources} peer={peer} before />
    </div>
  );
}

/** How many rows of each resource a peer would gain and lose, with examples. */
export function ChangedRows({
  resources,
  peer,
  before = false,
}: {
  resources: Preview["resources"];
  peer: string;
  /** Whether there is a scope already: without one, nothing was served and nothing can be lost. */
  before?: boolean;
}): ReactElement {
  type Change = Preview["resources"][number];
  const ifBefore = (column: Column<Change>): Column<Change>[] => (before ? [column] : []);
  return (
    <>
      <DataTable
        label="Rows gained and lost"
        rows={resources}
        keyOf={({ resource }) => resource}
        empty="No resource is registered."
        columns={[
          { name: "Resource", cell: ({ resource }) => resource },
          ...ifBefore({
            name: "Before",
            cell: (change) => served(change.admittedBefore, change.rowsBefore, change.more),
          }),
          {
            name: "After",
            cell: (change) => (
              <>
                {served(change.admittedAfter, change.rowsAfter, change.more)}
                {change.unprotected && (
                  <div className="soft">
                    Not for now: its table has lost its protection. The scope holds once it is back.
                  </div>
                )}
              </>
            ),
          },
          { name: "Gains", number: true, cell: ({ rowsGained }) => <Change sign="+" rows={rowsGained} /> },
          ...ifBefore({ name: "Loses", number: true, cell: ({ rowsLost }) => <Change sign="−" rows={rowsLost} /> }),
        ]}
      />
      {resources.map(({ resource, examplesGained, examplesLost }) => (
        <div key={resource} className="stack">
          <Rows title={`${resource}: rows that ${peer} would see, for example`} rows={examplesGained} />
          <Rows title={`${resource}: rows that ${peer} would no longer see, for example`} rows={examplesLost} />
        </div>
      ))}
    </>
  );
}

function served(admitted: boolean, rows: number, more: boolean): ReactElement {
  return admitted ? (
    <>{`${rows.toLocaleString("en")}${more ? " or more" : ""} ${rows === 1 ? "row" : "rows"}`}</>
  ) : (
    <Badge>not served</Badge>
  );
}

function Change({ sign, rows }: { sign: "+" | "−"; rows: number }): ReactElement {
  if (rows === 0) {
    return <span className="soft">none</span>;
  }
  return (
    <strong className={sign === "+" ? "gain" : "loss"}>
      {sign}
      {rows.toLocaleString("en")}
    </strong>
  );
}
