import type { ResultOf } from "gql.tada";
import type { ReactElement } from "react";
import { Badge } from "../ui/badge.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { explainMutation } from "./explain-mutation.ts";
import { stageInWords } from "./stage-in-words.ts";

type Explanation = ResultOf<typeof explainMutation>["explain"];

/** Stage by stage, row by row and column by column, what decided. */
export function Explained({ explanation }: { explanation: Explanation }): ReactElement {
  const { code, decidedBy, stages, rows, columns, maxRowsPerQuery } = explanation;
  // What is said of rows is said as if the grant served and its scope named the resource.
  const opens = stages.every(({ passes }) => passes === true);
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
          {stages.map((stage) => (
            <li key={stage.stage} className={stage.stage === decidedBy ? "decides" : undefined}>
              <Mark says={stage.passes} />
              <span>{stage.stage}</span>
              <span className="soft">{stageInWords(stage, explanation)}</span>
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
              name: opens ? "Served" : "Would be served",
              cell: ({ served }) => (
                <Badge tone={served ? (opens ? "good" : "quiet") : "bad"}>{served ? "yes" : "no"}</Badge>
              ),
            },
            {
              name: "Decided by",
              cell: (row) => <strong>{row.decidedBy ?? (row.served ? nothing(opens) : "not there")}</strong>,
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

function nothing(opens: boolean): string {
  return opens ? "nothing in the way" : "nothing else in the way";
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
