import { useState } from "react";
import type { ReactElement } from "react";
import { graphql } from "../api/graphql.ts";
import { useAct } from "../api/hooks.ts";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { Failure, Note } from "../ui/notes.tsx";
import { Card } from "../ui/page.tsx";
import { Rows } from "../ui/rows.tsx";

const visibleMutation = graphql(`
  mutation Visible($grantId: String!, $samples: Int) {
    visible(grantId: $grantId, samples: $samples) {
      code
      resources {
        resource
        admitted
        reason
        rows
        rowsOfSubject
        more
        samples
      }
    }
  }
`);

const SAMPLES = ["0", "3", "20"];

/** What the peer sees now, resource by resource, with samples. */
export function VisibleNow({ grantId, peer }: { grantId: string; peer: string }): ReactElement {
  const look = useAct(visibleMutation);
  const [samples, setSamples] = useState("3");
  const seen = look.data?.visible;
  return (
    <Card title={`What ${peer} sees now`}>
      <div className="filters">
        <Choice
          label="Rows to show of each"
          value={samples}
          onChange={setSamples}
          options={SAMPLES.map((id) => ({ id, name: id }))}
        />
        <Button
          kind="primary"
          busy={look.isPending}
          onPress={() => {
            look.mutate({ grantId, samples: Number(samples) });
          }}
        >
          {seen === undefined ? "Look" : "Look again"}
        </Button>
      </div>
      {look.isError && <Failure error={look.error} />}
      <div aria-live="polite" className="stack">
        {seen !== undefined && seen.code !== "OK" && (
          <Note tone="warn">
            <p>
              For now it sees nothing: its requests come to <code>{seen.code}</code>. What follows is what it would see.
            </p>
          </Note>
        )}
        {seen !== undefined && (
          <>
            <DataTable
              label="What the peer sees"
              rows={seen.resources}
              keyOf={({ resource }) => resource}
              empty="No resource is registered."
              columns={[
                { name: "Resource", cell: ({ resource }) => resource },
                {
                  name: "Served",
                  cell: ({ admitted, reason }) => (
                    <>
                      <Badge tone={admitted === true ? "good" : "quiet"}>{admitted === true ? "yes" : "no"}</Badge>{" "}
                      {reason}
                    </>
                  ),
                },
                { name: "Rows", number: true, cell: ({ rows, more }) => count(rows, more) },
                {
                  name: "Rows that the subject sees",
                  number: true,
                  cell: ({ rowsOfSubject, more }) => (rowsOfSubject === null ? "—" : count(rowsOfSubject, more)),
                },
              ]}
            />
            {seen.resources.map(({ resource, samples: rows }) => (
              <Rows key={resource} title={`${resource}, for example`} rows={rows} />
            ))}
          </>
        )}
      </div>
    </Card>
  );
}

function count(rows: number, more: boolean): string {
  return more && rows >= 10_000 ? "10,000 or more" : rows.toLocaleString("en");
}
