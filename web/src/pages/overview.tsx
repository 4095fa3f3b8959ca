import { lazy, Suspense } from "react";
import type { ReactElement } from "react";
import type { ResultOf } from "gql.tada";
import { Link } from "wouter";
import { graphql } from "../api/graphql.ts";
import { useAsk } from "../api/hooks.ts";
import { usePerson } from "../api/session.ts";
import { Badge } from "../ui/badge.tsx";
import { ButtonLink } from "../ui/button.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { Loaded, Skeleton } from "../ui/notes.tsx";
import { Card, Page } from "../ui/page.tsx";
import { When } from "../ui/when.tsx";

const overviewQuery = graphql(`
  query Overview {
    overview {
      host
      tier
      services {
        name
        state
        detail
      }
      grants {
        status
        count
      }
      peers {
        status
        count
      }
      gateways {
        name
        startedAt
        seenAt
        certificateUntil
      }
      alerts {
        id
        since
        severity
        code
        subject
        message
      }
      traffic {
        perMinute {
          at
          served
          refused
        }
        refusalsByCode {
          code
          count
        }
        requestsOfLastDay
        refusedOfLastDay
        droppedOfLastDay
      }
    }
  }
`);

type Seen = ResultOf<typeof overviewQuery>["overview"];

const TrafficChart = lazy(async () => ({ default: (await import("./traffic-chart.tsx")).TrafficChart }));

/** The gateway at a glance. */
export function Overview(): ReactElement {
  const query = useAsk(overviewQuery, {});
  const { isAdministrator } = usePerson();
  return (
    <Page
      title="Overview"
      intro={isAdministrator ? "How this gateway does, who reads here, and what needs a look." : "What is yours here."}
      actions={
        isAdministrator && (
          <ButtonLink to="/grants/new" kind="primary">
            New grant
          </ButtonLink>
        )
      }
    >
      <Loaded query={query} lines={8}>
        {({ overview }) => <Glance seen={overview} whole={isAdministrator} />}
      </Loaded>
    </Page>
  );
}

function Glance({ seen, whole }: { seen: Seen; whole: boolean }): ReactElement {
  const { traffic } = seen;
  return (
    <>
      <dl className="figures">
        <Figure name="Gateway" value={seen.host} note={`tier ${seen.tier}`} />
        <Figure name="Grants in force" value={countOf(seen.grants, "active")} note={restOf(seen.grants, "active")} />
        <Figure name="Peers" value={countOf(seen.peers, "active")} note={restOf(seen.peers, "active")} />
        {whole && (
          <>
            <Figure
              name="Requests of the last day"
              value={traffic.requestsOfLastDay}
              note={`${traffic.refusedOfLastDay} refused, ${traffic.droppedOfLastDay} not recorded`}
            />
            <Figure name="Open alerts" value={seen.alerts.length} />
          </>
        )}
      </dl>
      {whole && seen.alerts.length > 0 && (
        <Card title="Alerts" aside={<Link href="/alerts">All alerts</Link>}>
          <DataTable
            label="Open alerts"
            rows={seen.alerts}
            keyOf={({ id }) => id}
            empty="Nothing needs a look."
            columns={[
              { name: "Severity", cell: ({ severity }) => <Badge>{severity}</Badge> },
              { name: "What", cell: ({ message, code }) => <Said message={message} code={code} /> },
              { name: "About", cell: ({ subject }) => subject },
              { name: "Since", cell: ({ since }) => <When at={since} /> },
            ]}
          />
        </Card>
      )}
      {whole && (
        <div className="columns">
          <Card title="Requests per minute">
            <Suspense fallback={<Skeleton lines={8} />}>
              <TrafficChart perMinute={traffic.perMinute} />
            </Suspense>
          </Card>
          <Card title="Refusals of the last day">
            <Refusals counts={traffic.refusalsByCode} />
          </Card>
        </div>
      )}
      <div className="columns">
        <Card title="Services">
          <DataTable
            label="Services"
            rows={seen.services}
            keyOf={({ name }) => name}
            empty="Nothing is known of them."
            columns={[
              { name: "Service", cell: ({ name }) => inWords(name) },
              { name: "State", cell: ({ state }) => <Badge>{state}</Badge> },
              ...(whole ? [{ name: "Detail", cell: ({ detail }: Seen["services"][number]) => detail ?? "" }] : []),
            ]}
          />
        </Card>
        {whole && (
          <Card title="Running gateways">
            <DataTable
              label="Running gateways"
              rows={seen.gateways}
              keyOf={({ name, startedAt }) => `${name} ${startedAt}`}
              empty="No gateway has said that it runs."
              columns={[
                { name: "Name", cell: ({ name }) => name },
                { name: "Started", cell: ({ startedAt }) => <When at={startedAt} /> },
                { name: "Certificate until", cell: ({ certificateUntil }) => <When at={certificateUntil} none="—" /> },
              ]}
            />
          </Card>
        )}
      </div>
    </>
  );
}

/** A name of the API as people say it. */
function inWords(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function Figure({ name, value, note }: { name: string; value: string | number; note?: string }): ReactElement {
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd>
        {typeof value === "number" ? value.toLocaleString("en") : <span className="name">{value}</span>}
        {note !== undefined && <small>{note}</small>}
      </dd>
    </div>
  );
}

function Said({ message, code }: { message: string; code: string }): ReactElement {
  return (
    <>
      {message} <code className="soft">{code}</code>
    </>
  );
}

function Refusals({ counts }: { counts: Seen["traffic"]["refusalsByCode"] }): ReactElement {
  if (counts.length === 0) {
    return <div className="empty">Nothing was refused.</div>;
  }
  const most = Math.max(...counts.map(({ count }) => count));
  return (
    <ul className="bars">
      {counts.map(({ code, count }) => (
        <li key={code}>
          <code>{code}</code>
          <span>{count.toLocaleString("en")}</span>
          <progress value={count} max={most} aria-label={code} />
        </li>
      ))}
    </ul>
  );
}

function countOf(counts: Seen["grants"], wanted: string): number {
  return counts.find(({ status }) => status === wanted)?.count ?? 0;
}

function restOf(counts: Seen["grants"], left: string): string {
  const rest = counts.filter(({ status, count }) => status !== left && count > 0);
  return rest.length === 0 ? "no other" : rest.map(({ status, count }) => `${count} ${status}`).join(", ");
}
