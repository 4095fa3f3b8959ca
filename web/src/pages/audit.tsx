import { useState } from "react";
import type { ReactElement } from "react";
import type { ResultOf } from "gql.tada";
import { Link, useLocation, useSearch } from "wouter";
import { graphql } from "../api/graphql.ts";
import { useAsk } from "../api/hooks.ts";
import { usePerson } from "../api/session.ts";
import { AuditFilters, exportUrl, faultsOf, fromSearch, isOfPeers, toSearch, toVariables } from "../audit/filters.tsx";
import { ChainVerification } from "../audit/verification.tsx";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import type { Column } from "../ui/data-table.tsx";
import { Loaded } from "../ui/notes.tsx";
import { Card, Page } from "../ui/page.tsx";
import { When } from "../ui/when.tsx";

const auditQuery = graphql(`
  query Audit(
    $grantId: String
    $subject: String
    $verb: String
    $outcome: String
    $code: String
    $since: String
    $until: String
    $before: String
    $archived: Boolean
    $first: Int
  ) {
    audit(
      grantId: $grantId
      subject: $subject
      verb: $verb
      outcome: $outcome
      code: $code
      since: $since
      until: $until
      before: $before
      archived: $archived
      first: $first
    ) {
      next
      rows {
        id
        at
        verb
        outcome
        code
        grantId
        subject
        peerHost
        resource
        rowCount
        latencyMs
        requestId
        actor
        details
      }
    }
  }
`);

type AuditRow = ResultOf<typeof auditQuery>["audit"]["rows"][number];

const PAGE_ROWS = 50;
/** What rows of changes have in their details. */
const CHANGE = ["before", "after"];

/** The audit log: whole for administrators, their own trail for users. */
export function Audit(): ReactElement {
  const { isAdministrator } = usePerson();
  const [, go] = useLocation();
  // As it is in the address: what the hook returns has been decoded once.
  useSearch();
  const { search } = window.location;
  const filters = fromSearch(search);
  const isRight = Object.keys(faultsOf(filters)).length === 0;
  return (
    <Page
      title="Audit"
      intro={
        isAdministrator
          ? "What peers asked for and what people changed, one row each, in chains that show when a row was touched."
          : "What peers asked for on your behalf, and what was done here about your grants."
      }
    >
      {isAdministrator && <ChainVerification />}
      <Card
        title={filters.grantId === "" ? "Rows" : "Trail of a grant"}
        aside={
          isRight && (
            <span className="row">
              {(["csv", "ndjson"] as const).map((format) => (
                <a key={format} className="button plain" href={exportUrl(filters, format)} download>
                  Export {format === "csv" ? "CSV" : "NDJSON"}
                </a>
              ))}
            </span>
          )
        }
      >
        <AuditFilters
          filters={filters}
          onChange={(next) => {
            go(`/audit?${toSearch(next)}`.replace(/\?$/, ""), { replace: true });
          }}
        />
        {isRight && <FoundRows search={search} />}
      </Card>
    </Page>
  );
}

function FoundRows({ search }: { search: string }): ReactElement {
  const { isAdministrator } = usePerson();
  const [paged, setPaged] = useState<{ search: string; before: string[] }>({ search, before: [] });
  // Other filters begin at their own newest row.
  const before = paged.search === search ? paged.before : [];
  const setBefore = (next: string[]): void => {
    setPaged({ search, before: next });
  };
  const at = before.at(-1) ?? null;
  const query = useAsk(
    auditQuery,
    { ...toVariables(fromSearch(search)), before: at, first: PAGE_ROWS },
    { keep: true, once: at !== null },
  );
  return (
    <Loaded query={query} lines={10}>
      {({ audit: { rows, next } }) => (
        <>
          <DataTable
            label="Audit rows"
            rows={rows}
            keyOf={({ id }) => id}
            empty="There is no row like this. Verb, code and subject are compared as a whole."
            columns={columns(isAdministrator)}
          />
          <div className="row">
            {at !== null && (
              <Button
                onPress={() => {
                  setBefore(before.slice(0, -1));
                }}
              >
                Newer rows
              </Button>
            )}
            {next !== null && (
              <Button
                onPress={() => {
                  setBefore([...before, next]);
                }}
              >
                Older rows
              </Button>
            )}
          </div>
        </>
      )}
    </Loaded>
  );
}

function columns(whole: boolean): Column<AuditRow>[] {
  return [
    { name: "Time", cell: ({ at }) => <When at={at} /> },
    { name: "What", cell: ({ verb, resource }) => <Asked verb={verb} resource={resource} /> },
    { name: "Outcome", cell: ({ outcome, code }) => <Outcome outcome={outcome} code={code} /> },
    {
      name: "Grant",
      cell: ({ grantId, peerHost, subject }) =>
        grantId === null && subject === null ? (
          <span className="soft">none</span>
        ) : (
          <>
            {grantId === null ? (
              <span className="soft">none,</span>
            ) : (
              <Link href={`/grants/${grantId}`}>{peerHost ?? grantId}</Link>
            )}
            {subject !== null && <span className="soft"> for {subject}</span>}
          </>
        ),
    },
    { name: "Rows", number: true, cell: ({ rowCount }) => rowCount?.toLocaleString("en") ?? "" },
    { name: "Took", number: true, cell: ({ latencyMs }) => (latencyMs === null ? "" : `${latencyMs.toFixed(1)} ms`) },
    { name: "By", cell: (row) => (whole ? <Who row={row} /> : isOfPeers(row.verb) ? "the peer" : "at this gateway") },
  ];
}

function Asked({ verb, resource }: { verb: string; resource: string | null }): ReactElement {
  return (
    <>
      {verb}
      {resource !== null && <div className="soft">{resource}</div>}
    </>
  );
}

function Outcome({ outcome, code }: { outcome: string; code: string }): ReactElement {
  return (
    <>
      <Badge>{outcome}</Badge> {code !== "OK" && <code>{code}</code>}
    </>
  );
}

function Who({ row }: { row: AuditRow }): ReactElement {
  const { details, requestId } = row;
  return (
    <>
      {whoOf(row)}
      {requestId !== null && (
        <details>
          <summary className="small">request</summary>
          <code>{requestId}</code>
        </details>
      )}
      {details !== null && (
        <details>
          <summary className="small">
            {CHANGE.some((field) => field in fieldsOf(details)) ? "before and after" : "details"}
          </summary>
          <pre className="sample" tabIndex={0}>
            {JSON.stringify(details, null, 2)}
          </pre>
        </details>
      )}
    </>
  );
}

/** Whose doing a row is: what the gateway itself refused to somebody has no actor of the database. */
function whoOf({ actor, details, verb }: AuditRow): string {
  const { as, person } = fieldsOf(details);
  const name = actor ?? person;
  if (typeof name === "string") {
    return as === "user" ? `${name} (user)` : name;
  }
  if (isOfPeers(verb)) {
    return "its peer";
  }
  return verb.startsWith("pages.") ? "nobody signed in" : "this gateway";
}

function fieldsOf(details: unknown): Record<string, unknown> {
  return typeof details === "object" && details !== null ? { ...details } : {};
}
