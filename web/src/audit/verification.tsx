import type { ReactElement } from "react";
import { graphql } from "../api/graphql.ts";
import { useAsk } from "../api/hooks.ts";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { Failure, Skeleton } from "../ui/notes.tsx";
import { Card } from "../ui/page.tsx";
import { When } from "../ui/when.tsx";

const verificationQuery = graphql(`
  query AuditVerification {
    auditVerification {
      intact
      checkedAt
      chains {
        chain
        entries
        fault
        faultPosition
        faultId
        faultAt
      }
    }
  }
`);

/** Whether the chains of the audit log hold, and where the first does not: walked when somebody asks. */
export function ChainVerification(): ReactElement {
  const query = useAsk(verificationQuery, {}, { onDemand: true });
  const found = query.data?.auditVerification;
  return (
    <Card
      title="Chains"
      aside={
        <span className="row" role="status">
          {found === undefined ? (
            <Badge>not verified here yet</Badge>
          ) : (
            <Badge tone={found.intact ? "good" : "bad"}>{found.intact ? "intact" : "not intact"}</Badge>
          )}
        </span>
      }
    >
      {query.isError && <Failure error={query.error} />}
      {query.isFetching && found === undefined && <Skeleton lines={2} />}
      {found !== undefined && (
        <>
          <p>
            Verified <When at={found.checkedAt} />.
          </p>
          <DataTable
            label="Chains"
            rows={found.chains}
            keyOf={({ chain }) => chain}
            empty="There is no chain yet."
            columns={[
              { name: "Chain", cell: ({ chain }) => chain },
              { name: "Rows that hold", number: true, cell: ({ entries }) => entries.toLocaleString("en") },
              {
                name: "Found",
                cell: ({ fault }) => <Badge tone={fault === null ? "good" : "bad"}>{fault ?? "intact"}</Badge>,
              },
              {
                name: "Where",
                cell: ({ faultPosition, faultId, faultAt }) =>
                  faultPosition === null ? (
                    ""
                  ) : (
                    <>
                      position {faultPosition}
                      {faultId !== null && `, row ${faultId}`}
                      {faultAt !== null && (
                        <>
                          , <When at={faultAt} />
                        </>
                      )}
                    </>
                  ),
              },
            ]}
          />
        </>
      )}
      <div className="row">
        <Button
          busy={query.isFetching}
          onPress={() => {
            void query.refetch();
          }}
        >
          {found === undefined ? "Verify the chains" : "Verify again"}
        </Button>
        <span className="small soft">Walks every row; on a long log it takes a while.</span>
      </div>
    </Card>
  );
}
