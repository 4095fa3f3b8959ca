import { useState } from "react";
import type { ReactElement, ReactNode } from "react";
import type { ResultOf } from "gql.tada";
import { graphql } from "../api/graphql.ts";
import { useAct, useAsk } from "../api/hooks.ts";
import { usePerson } from "../api/session.ts";
import { Ask } from "../ui/ask.tsx";
import { Badge } from "../ui/badge.tsx";
import { Button } from "../ui/button.tsx";
import { Failure, Loaded, Note } from "../ui/notes.tsx";
import { Card, Facts, Page } from "../ui/page.tsx";
import { When } from "../ui/when.tsx";

const peersQuery = graphql(`
  query Peers {
    peers {
      id
      host
      user
      state
      federationUrl
      grantId
      certificateSerial
      certificateUntil
      enrolledAt
      circuit
      lastSuccessAt
      lastFailureAt
      lastFailureCode
      offlineSince
      renewalFailures
      renewalFailedAt
      renewalFailureCode
      endedBecause
    }
  }
`);

const renewMutation = graphql(`
  mutation RenewPeer($id: String!) {
    renewPeer(id: $id) {
      id
      certificateUntil
    }
  }
`);

const removeMutation = graphql(`
  mutation RemovePeer($id: String!) {
    removePeer(id: $id)
  }
`);

type Peer = ResultOf<typeof peersQuery>["peers"][number];

/** Remote gateways that our users enrolled with. */
export function Peers(): ReactElement {
  const query = useAsk(peersQuery, {});
  const { isAdministrator } = usePerson();
  return (
    <Page
      title="Peers"
      intro={
        isAdministrator
          ? "Remote gateways that our users read from, each by a certificate of its own."
          : "Remote gateways that you read from, each by a certificate of your own."
      }
    >
      <Loaded query={query} lines={8}>
        {({ peers }) =>
          peers.length === 0 ? (
            <div className="empty">
              <p>No peer yet. Who gets a one-time URL from another gateway enrolls by it:</p>
              <code>mosaic federation peer add &quot;&lt;the URL&gt;&quot; --user &lt;user&gt;</code>
            </div>
          ) : (
            <div className="columns">
              {peers.map((peer) => (
                <PeerCard key={peer.id} peer={peer} />
              ))}
            </div>
          )
        }
      </Loaded>
    </Page>
  );
}

function PeerCard({ peer }: { peer: Peer }): ReactElement {
  const renew = useAct(renewMutation);
  const remove = useAct(removeMutation);
  const [asking, setAsking] = useState(false);
  return (
    <Card title={peer.host} aside={<Badge>{peer.state}</Badge>}>
      <Facts
        facts={[
          ["Read by", peer.user],
          ...requestsOf(peer),
          ...(peer.offlineSince === null ? [] : [["Away", <When key="away" at={peer.offlineSince} />] as const]),
          ["Certificate until", <When key="until" at={peer.certificateUntil} />],
          ["Serial", <code key="serial">{peer.certificateSerial}</code>],
          ["Enrolled", <When key="enrolled" at={peer.enrolledAt} />],
          ["At", <code key="url">{peer.federationUrl}</code>],
          ["Its grant", <code key="grant">{peer.grantId}</code>],
        ]}
      />
      {peer.endedBecause !== null && (
        <Note tone="bad">
          <p>Ended: {peer.endedBecause}</p>
        </Note>
      )}
      {peer.renewalFailures > 0 && (
        <Note tone="warn">
          <p>
            Renewal failed {peer.renewalFailures === 1 ? "once, with" : `${peer.renewalFailures} times, last with`}{" "}
            <code>{peer.renewalFailureCode}</code>, <When at={peer.renewalFailedAt} />
          </p>
        </Note>
      )}
      {renew.isError && <Failure error={renew.error} />}
      {renew.isSuccess && (
        <Note tone="good" alert>
          <p>It has another certificate.</p>
        </Note>
      )}
      <div className="row">
        {peer.state !== "revoked" && (
          <Button
            busy={renew.isPending}
            onPress={() => {
              renew.mutate({ id: peer.id });
            }}
          >
            Renew the certificate
          </Button>
        )}
        <Button
          kind="danger"
          onPress={() => {
            setAsking(true);
          }}
        >
          Remove…
        </Button>
      </div>
      {asking && (
        <Ask
          title={`Remove ${peer.host}?`}
          action="Remove it"
          kind="danger"
          busy={remove.isPending}
          error={remove.error}
          onAnswer={(yes) => {
            if (yes) {
              remove.mutate({ id: peer.id });
            } else {
              setAsking(false);
            }
          }}
        >
          <p>
            The certificate of {peer.user} and its key are forgotten. To read from {peer.host} again takes another
            one-time URL from there.
          </p>
        </Ask>
      )}
    </Card>
  );
}

/** What the running gateways know of their own requests; what the command asked is not among these. */
function requestsOf(peer: Peer): [name: string, value: ReactNode][] {
  if (peer.circuit === null) {
    return [["Requests", "none through this gateway yet"]];
  }
  return [
    ["Circuit", <Badge key="circuit">{peer.circuit}</Badge>],
    ["Last success", <When key="success" at={peer.lastSuccessAt} none="none yet" />],
    ["Last failure", <Failed key="failure" at={peer.lastFailureAt} code={peer.lastFailureCode} />],
  ];
}

function Failed({ at, code }: { at: string | null; code: string | null }): ReactElement {
  return (
    <>
      <When at={at} none="none yet" /> {code !== null && <code>{code}</code>}
    </>
  );
}
