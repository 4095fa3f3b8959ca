import { useState } from "react";
import type { ReactElement } from "react";
import { graphql } from "../api/graphql.ts";
import { useAsk } from "../api/hooks.ts";
import { Badge } from "../ui/badge.tsx";
import { Check } from "../ui/choice.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { Loaded } from "../ui/notes.tsx";
import { Card, Page } from "../ui/page.tsx";
import { When } from "../ui/when.tsx";

const alertsQuery = graphql(`
  query Alerts($includeResolved: Boolean) {
    alerts(includeResolved: $includeResolved) {
      id
      since
      severity
      code
      subject
      message
      resolvedAt
    }
  }
`);

/** What an administrator should look at. */
export function Alerts(): ReactElement {
  const [includeResolved, setIncludeResolved] = useState(false);
  const query = useAsk(alertsQuery, { includeResolved }, { keep: true });
  return (
    <Page title="Alerts" intro="What an administrator should look at. An alert goes by itself once its cause is gone.">
      <Card
        title="Alerts"
        aside={<Check label="with those that are over" value={includeResolved} onChange={setIncludeResolved} />}
      >
        <Loaded query={query}>
          {({ alerts }) => (
            <DataTable
              label="Alerts"
              rows={alerts}
              keyOf={({ id }) => id}
              empty="Nothing needs a look."
              columns={[
                {
                  name: "Severity",
                  cell: ({ severity, resolvedAt }) =>
                    resolvedAt === null ? <Badge>{severity}</Badge> : <Badge>over</Badge>,
                },
                { name: "What", cell: ({ message }) => message },
                { name: "Code", cell: ({ code }) => <code>{code}</code> },
                { name: "About", cell: ({ subject }) => subject },
                { name: "Since", cell: ({ since }) => <When at={since} /> },
                ...(includeResolved
                  ? [
                      {
                        name: "Over",
                        cell: (alert: { resolvedAt: string | null }) => <When at={alert.resolvedAt} none="not yet" />,
                      },
                    ]
                  : []),
              ]}
            />
          )}
        </Loaded>
      </Card>
    </Page>
  );
}
