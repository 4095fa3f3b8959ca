import { useState } from "react";
import type { ReactElement } from "react";
import { Link } from "wouter";
import { graphql } from "../api/graphql.ts";
import { useAsk } from "../api/hooks.ts";
import { usePerson } from "../api/session.ts";
import { resourcesOf } from "../scope/scope.ts";
import { Badge, Tags } from "../ui/badge.tsx";
import { ButtonLink } from "../ui/button.tsx";
import { Choice } from "../ui/choice.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { Field } from "../ui/field.tsx";
import { Loaded } from "../ui/notes.tsx";
import { Card, Page } from "../ui/page.tsx";
import { When } from "../ui/when.tsx";

const grantsQuery = graphql(`
  query Grants($status: GrantStatus, $search: String) {
    grants(status: $status, search: $search) {
      id
      subject
      peerHost
      status
      scope
      createdAt
      certificateUntil
      lastRequestAt
      requestsOfLastDay
      refusedOfLastDay
    }
  }
`);

const STATUSES = ["pending", "active", "suspended", "revoked", "expired"] as const;
const ANY = "any";

/** Grants that this gateway gave. */
export function Grants(): ReactElement {
  const { isAdministrator } = usePerson();
  const [status, setStatus] = useState<string>(ANY);
  const [search, setSearch] = useState("");
  const query = useAsk(
    grantsQuery,
    { status: STATUSES.find((one) => one === status) ?? null, search: search.trim() === "" ? null : search.trim() },
    { keep: true },
  );
  const filtered = status !== ANY || search.trim() !== "";
  return (
    <Page
      title="Grants"
      intro={
        isAdministrator
          ? "Who may read here, on whose behalf, and how much of it."
          : "The grants that speak for you: by each, a peer reads what you may see, narrowed by its scope."
      }
      actions={
        isAdministrator && (
          <ButtonLink to="/grants/new" kind="primary">
            New grant
          </ButtonLink>
        )
      }
    >
      <Card title="All grants">
        <div className="filters">
          <Choice
            label="Status"
            value={status}
            onChange={setStatus}
            options={[{ id: ANY, name: "any" }, ...STATUSES.map((one) => ({ id: one, name: one }))]}
          />
          <Field label="Search" value={search} onChange={setSearch} hint="Its id, whom it speaks for, or the peer." />
        </div>
        <Loaded query={query}>
          {({ grants }) => (
            <DataTable
              label="Grants"
              rows={grants}
              keyOf={({ id }) => id}
              empty={
                filtered
                  ? "No grant is like this."
                  : isAdministrator
                    ? "No grant yet. The first one is made with “New grant”."
                    : "No grant speaks for you."
              }
              columns={[
                { name: "Peer", cell: ({ id, peerHost }) => <Link href={`/grants/${id}`}>{peerHost}</Link> },
                { name: "Speaks for", cell: ({ subject }) => subject },
                { name: "Status", cell: (grant) => <Badge>{grant.status}</Badge> },
                { name: "Resources", cell: ({ scope }) => <Tags names={resourcesOf(scope)} none="none" /> },
                {
                  name: "Last day",
                  cell: ({ requestsOfLastDay, refusedOfLastDay }) =>
                    `${requestsOfLastDay} requests, ${refusedOfLastDay} refused`,
                },
                { name: "Last request", cell: ({ lastRequestAt }) => <When at={lastRequestAt} /> },
                {
                  name: "Certificate until",
                  cell: ({ certificateUntil }) => <When at={certificateUntil} none="none" />,
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
    </Page>
  );
}
