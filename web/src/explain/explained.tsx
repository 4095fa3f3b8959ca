import type { ResultOf } from "gql.tada";
import type { ReactElement } from "react";
import { graphql } from "../api/graphql.ts";
import { Badge } from "../ui/badge.tsx";
import { DataTable } from "../ui/data-table.tsx";

/** Asks which stage decides. */
export const explainMutation = graphql(`
  mutation Explain($grantId: String!, $resource: String!, $id: String, $filter: JSON, $most: Int) {
    explain(grantId: $grantId, resource: $resource, id: $id, filter: $filter, most: $most) {
      resource
      code
      decidedBy
      maxRowsPerQuery
      stages {
        stage
        passes
        reason
        teams
      }
      columns {
        name
        leaves
        decidedBy
      }
      rows {
        id
        exists
        served
        decidedBy
        native
        personal
        team
        teamOfSubject
        cap
        policies {
          name
          kind
          admits
          reason
        }
      }
    }
  }
`);

type Explanation = ResultOf<typeof explainMutation>["explain"];

/** Stage by stage, row by row and column by column, what decided. */
export function Explained({ explanation }: { explanation: Explanation }): ReactElement {
  const { code, decidedBy, stages, rows, columns, maxRowsPerQuery } = explanation;
  return (
    <div className="stack">
      <p>
        The peer&apos;s own request comes to <Badge tone={code === "OK" ? "good" : "bad"}>{code}</Badge> now
        {decidedBy === null ? (
          "."
        ) : (
          <>
            : it is decided by the stage <strong>{decidedBy}</strong>.
          </>
        )}
        {maxRowsPerQuery !== null && ` One answer has at most ${maxRowsPerQuery.toLocaleString("en")} rows.`}
      </p>
      <section className="stack tight" aria-label="Stages">
        <h3>Before any row is looked at</h3>
        <ol className="stages">
          {stages.map(({ stage, passes, reason, teams }) => (
            <li key={stage} className={stage === decidedBy ? "decides" : undefined}>
              <Mark says={passes} />
              <span>{stage}</span>
              <span className="soft">
                {reason}
                {teams !== null && (teams.length === 0 ? " in no team" : ` in ${teams.join(", ")}`)}
              </span>
            </li>
          ))}
        </ol>
      </section>
      <section className="stack tight" aria-label="Rows">
        <h3>Row by row</h3>
        <DataTable
          label="Rows, explained"
          rows={rows}
          keyOf={({ id }) => id}
          empty="No row was asked for, or none is there that may be spoken of."
          columns={[
            { name: "Row", cell: ({ id }) => <code>{id}</code> },
            {
              name: "Served",
              cell: ({ served }) => <Badge tone={served ? "good" : "bad"}>{served ? "yes" : "no"}</Badge>,
            },
            {
              name: "Decided by",
              cell: (row) => <strong>{row.decidedBy ?? (row.served ? "nothing in the way" : "not there")}</strong>,
            },
            { name: "Subject sees it", cell: ({ native }) => <Mark says={native} /> },
            { name: "Team in scope", cell: ({ team }) => <Mark says={team} /> },
            { name: "Personal in scope", cell: ({ personal }) => <Mark says={personal} /> },
            { name: "In the first answer", cell: ({ cap }) => <Mark says={cap} /> },
            { name: "Policies", cell: ({ policies }) => <Policies policies={policies} /> },
          ]}
        />
      </section>
      <section className="stack tight" aria-label="Columns">
        <h3>Column by column</h3>
        <DataTable
          label="Columns, explained"
          rows={columns}
          keyOf={({ name }) => name}
          empty="The resource is not there."
          columns={[
            { name: "Column", cell: ({ name }) => <code>{name}</code> },
            { name: "Leaves", cell: ({ leaves }) => <Mark says={leaves} /> },
            { name: "Because", cell: (column) => column.decidedBy ?? (column.leaves ? "it is registered" : "") },
          ]}
        />
      </section>
    </div>
  );
}

function Policies({ policies }: { policies: Explanation["rows"][number]["policies"] }): ReactElement {
  return (
    <ul className="plain-list">
      {policies.map(({ name, kind, admits, reason }) => (
        <li key={name}>
          <Mark says={admits} /> <code>{name}</code>{" "}
          <span className="soft small">
            {kind}
            {reason !== null && `, ${reason}`}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Mark({ says }: { says: boolean | null }): ReactElement {
  if (says === null) {
    return (
      <span className="mark none">
        —<span className="visually-hidden"> does not apply</span>
      </span>
    );
  }
  return <span className={says ? "mark yes" : "mark no"}>{says ? "✓ yes" : "✕ no"}</span>;
}
