import type { ReactElement } from "react";
import type { ResultOf } from "gql.tada";
import { graphql } from "../api/graphql.ts";
import { useAsk } from "../api/hooks.ts";
import { usePerson } from "../api/session.ts";
import { readScope } from "../scope/scope.ts";
import { Badge, Tags } from "../ui/badge.tsx";
import { ButtonLink } from "../ui/button.tsx";
import { Loaded } from "../ui/notes.tsx";
import { Card, Facts, Page } from "../ui/page.tsx";
import { When } from "../ui/when.tsx";
import { GrantActions, isLive } from "./grant-actions.tsx";

const grantQuery = graphql(`
  query Grant($id: String!) {
    grant(id: $id) {
      id
      subject
      peerHost
      status
      scope
      createdAt
      createdBy
      activatedAt
      expiresAt
      endedAt
      endReason
      certificateSerial
      certificateUntil
      requestsPerMinute
      burst
      auditMode
      lastRequestAt
      requestsOfLastDay
      refusedOfLastDay
    }
  }
`);

type Grant = NonNullable<ResultOf<typeof grantQuery>["grant"]>;

/** One grant. */
export function GrantPage({ id }: { id: string }): ReactElement {
  const query = useAsk(grantQuery, { id });
  const grant = query.data?.grant;
  return (
    <Page
      title={grant == null ? "Grant" : `Grant to ${grant.peerHost}`}
      above={{ to: "/grants", title: "Grants" }}
      {...(grant == null ? {} : { intro: `Reads what ${grant.subject} may see, narrowed by the scope.` })}
    >
      <Loaded query={query} lines={8}>
        {(data) =>
          data.grant === null ? (
            <div className="empty">There is no such grant, or it does not speak for you.</div>
          ) : (
            <Shown grant={data.grant} />
          )
        }
      </Loaded>
    </Page>
  );
}

function Shown({ grant }: { grant: Grant }): ReactElement {
  const { isAdministrator } = usePerson();
  return (
    <>
      <GrantActions grant={grant} />
      <div className="columns">
        <Card title="State" aside={<Badge>{grant.status}</Badge>}>
          <Facts
            facts={[
              ["Speaks for", grant.subject],
              ["Peer", grant.peerHost],
              ["Id", <code key="id">{grant.id}</code>],
              ["Made", <When key="made" at={grant.createdAt} />],
              ...(grant.createdBy === null ? [] : [["Made by", grant.createdBy] as const]),
              ["Enrolled", <When key="enrolled" at={grant.activatedAt} none="not yet" />],
              ["Ends by itself", <When key="ends" at={grant.expiresAt} />],
              ...(grant.endedAt === null ? [] : [["Ended", <When key="ended" at={grant.endedAt} />] as const]),
              ...(grant.endReason === null ? [] : [["Because", grant.endReason] as const]),
            ]}
          />
        </Card>
        <Card
          title="Scope"
          aside={
            isAdministrator &&
            isLive(grant.status) && <ButtonLink to={`/grants/${grant.id}/scope`}>Edit the scope</ButtonLink>
          }
        >
          <ScopeFacts kept={grant.scope} />
        </Card>
        <Card title="Certificate">
          <Facts
            facts={[
              [
                "Serial",
                grant.certificateSerial === null ? "none" : <code key="serial">{grant.certificateSerial}</code>,
              ],
              ["Good until", <When key="until" at={grant.certificateUntil} none="—" />],
            ]}
          />
        </Card>
        <Card title="Use" aside={<ButtonLink to={`/audit?grantId=${grant.id}`}>Its trail</ButtonLink>}>
          <Facts
            facts={[
              ["Last request", <When key="last" at={grant.lastRequestAt} />],
              ["Last day", `${grant.requestsOfLastDay} requests, ${grant.refusedOfLastDay} refused`],
              ["Requests a minute", grant.requestsPerMinute ?? "as the gateway is configured"],
              ["Of them in a second", grant.burst ?? "as many as in a minute"],
              ["Audit", grant.auditMode],
            ]}
          />
        </Card>
      </div>
    </>
  );
}

function ScopeFacts({ kept }: { kept: unknown }): ReactElement {
  const read = readScope(kept);
  if ("error" in read) {
    return <pre className="sample">{JSON.stringify(kept, null, 2)}</pre>;
  }
  const { resources, excluded, teams, personal, maxRows } = read.scope;
  return (
    <Facts
      facts={[
        ["Resources", <Tags key="resources" names={resources} none="none" />],
        ["Left out", <Tags key="excluded" names={excluded} none="none" />],
        ["Teams", teams === "all" ? "every team of the subject" : <Tags key="teams" names={teams} none="none" />],
        ["Personal rows", personal ? "yes" : "no"],
        ["Most rows", maxRows.toLocaleString("en")],
      ]}
    />
  );
}
