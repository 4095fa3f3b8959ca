import { useState } from "react";
import type { ReactElement } from "react";
import type { ResultOf } from "gql.tada";
import { graphql } from "../api/graphql.ts";
import { useAct, useAsk } from "../api/hooks.ts";
import { Ask } from "../ui/ask.tsx";
import { Badge, Tags } from "../ui/badge.tsx";
import { Button, ButtonLink } from "../ui/button.tsx";
import { Loaded } from "../ui/notes.tsx";
import { Card, Facts, Page } from "../ui/page.tsx";

const resourcesQuery = graphql(`
  query Resources {
    resources {
      name
      table
      keyColumn
      owner
      team
      textColumns
      timeColumn
      hiddenColumns
      columns {
        name
        type
        nullable
      }
      isProtected
      nativePolicy
      liveGrants
    }
  }
`);

const unregisterMutation = graphql(`
  mutation UnregisterResource($name: String!) {
    unregisterResource(name: $name)
  }
`);

type Resource = ResultOf<typeof resourcesQuery>["resources"][number];

/** Tables that grants can name. */
export function Resources(): ReactElement {
  const query = useAsk(resourcesQuery, {});
  return (
    <Page
      title="Resources"
      intro="Tables that grants can name. What is not registered is never served."
      actions={
        <ButtonLink to="/resources/new" kind="primary">
          Register a table
        </ButtonLink>
      }
    >
      <Loaded query={query} lines={8}>
        {({ resources }) =>
          resources.length === 0 ? (
            <div className="empty">No table is registered yet: no grant can be made before one is.</div>
          ) : (
            <div className="columns">
              {resources.map((resource) => (
                <ResourceCard key={resource.name} resource={resource} />
              ))}
            </div>
          )
        }
      </Loaded>
    </Page>
  );
}

function ResourceCard({ resource }: { resource: Resource }): ReactElement {
  const unregister = useAct(unregisterMutation);
  const [asking, setAsking] = useState(false);
  const { name } = resource;
  return (
    <Card
      title={name}
      aside={
        <Badge tone={resource.isProtected ? "good" : "bad"}>
          {resource.isProtected ? "protected" : "not protected"}
        </Badge>
      }
    >
      <Facts
        facts={[
          ["Table", <code key="table">{resource.table}</code>],
          ["Key", <code key="key">{resource.keyColumn}</code>],
          ["Owner", resource.owner === null ? "none" : <code key="owner">{resource.owner}</code>],
          ["Team", resource.team === null ? "none" : <code key="team">{resource.team}</code>],
          ["Time", resource.timeColumn === null ? "none" : <code key="time">{resource.timeColumn}</code>],
          ["Text", <Tags key="text" names={resource.textColumns ?? []} none="none" />],
          [
            "Columns that leave",
            <Tags key="columns" names={resource.columns.map((column) => column.name)} none="none" />,
          ],
          ["Columns that stay", <Tags key="hidden" names={resource.hiddenColumns ?? []} none="none" />],
          [
            "Whose a row is",
            resource.nativePolicy === true ? "its owner's and its team's" : "as the table's own policies say",
          ],
          ["Live grants", resource.liveGrants],
        ]}
      />
      <div className="row">
        <Button
          kind="danger"
          onPress={() => {
            setAsking(true);
          }}
        >
          Unregister…
        </Button>
      </div>
      {asking && (
        <Ask
          title={`Unregister ${name}?`}
          action="Unregister it"
          kind="danger"
          busy={unregister.isPending}
          error={unregister.error}
          onAnswer={(yes) => {
            if (yes) {
              unregister.mutate({ name });
            } else {
              setAsking(false);
            }
          }}
        >
          <p>The table is left as it was found. While a live grant names the resource, this is refused.</p>
        </Ask>
      )}
    </Card>
  );
}
