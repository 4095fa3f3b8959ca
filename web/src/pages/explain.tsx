import { useState } from "react";
import type { ReactElement } from "react";
import { Tab, TabList, TabPanel, Tabs } from "react-aria-components";
import { graphql } from "../api/graphql.ts";
import { useAct, useAsk } from "../api/hooks.ts";
import { explainMutation } from "../explain/explain-mutation.ts";
import { Explained } from "../explain/explained.tsx";
import { VisibleNow } from "../explain/visible-now.tsx";
import { resourcesOf } from "../scope/scope.ts";
import { Button } from "../ui/button.tsx";
import { Choice, OneOf } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { Failure, Loaded } from "../ui/notes.tsx";
import { Card, Page } from "../ui/page.tsx";

const subjectQuery = graphql(`
  query ExplainGrant($id: String!) {
    grant(id: $id) {
      id
      peerHost
      scope
    }
    resources {
      name
    }
  }
`);

/** What a grant lets out, and why a row comes or does not. */
export function ExplainPage({ id }: { id: string }): ReactElement {
  const query = useAsk(subjectQuery, { id }, { once: true });
  return (
    <Page
      title="What it lets out, and why"
      above={{ to: `/grants/${id}`, title: "Grant" }}
      intro="Asked now, of the very policies that decide: of rows that you may not see, nothing is said here either."
    >
      <Loaded query={query}>
        {({ grant, resources }) =>
          grant === null ? (
            <div className="empty">There is no such grant, or it does not speak for you.</div>
          ) : (
            <Tabs className="tabs">
              <TabList className="tab-list" aria-label="What to ask">
                <Tab className="tab" id="visible">
                  What the peer sees now
                </Tab>
                <Tab className="tab" id="why">
                  Why a row comes or does not
                </Tab>
              </TabList>
              <TabPanel id="visible">
                <VisibleNow grantId={id} peer={grant.peerHost} />
              </TabPanel>
              <TabPanel id="why">
                <Why
                  grantId={id}
                  resources={resources.map(({ name }) => name)}
                  first={resourcesOf(grant.scope)[0] ?? null}
                />
              </TabPanel>
            </Tabs>
          )
        }
      </Loaded>
    </Page>
  );
}

function Why({
  grantId,
  resources,
  first,
}: {
  grantId: string;
  resources: string[];
  first: string | null;
}): ReactElement {
  const explain = useAct(explainMutation);
  const [resource, setResource] = useState(first);
  const [by, setBy] = useState("rows");
  const [rowId, setRowId] = useState("");
  const [filter, setFilter] = useState("{}");
  const read = by === "filter" ? readFilter(filter) : { filter: null };
  const problem = "error" in read ? read.error : undefined;
  return (
    <div className="stack">
      <form
        className="card"
        noValidate
        aria-label="Question"
        onSubmit={(event) => {
          event.preventDefault();
          if (resource !== null && "filter" in read) {
            explain.mutate({
              grantId,
              resource,
              id: by === "id" ? rowId.trim() : null,
              filter: by === "rows" ? {} : read.filter,
            });
          }
        }}
      >
        <div className="form">
          <Choice
            label="Resource"
            value={resource}
            onChange={setResource}
            options={resources.map((name) => ({ id: name, name }))}
          />
          <OneOf
            label="Which rows"
            value={by}
            onChange={setBy}
            options={[
              { id: "rows", name: "the first ones" },
              { id: "id", name: "the one with this key" },
              { id: "filter", name: "those of a filter" },
            ]}
          />
          {by === "id" && <Field label="Key of the row" required value={rowId} onChange={setRowId} />}
          {by === "filter" && (
            <Field
              label="Filter"
              many
              value={filter}
              onChange={setFilter}
              error={problem}
              hint='As in a query, for example {"status": {"eq": "open"}}.'
            />
          )}
        </div>
        {explain.isError && <Failure error={explain.error} />}
        <div className="row">
          <Button
            type="submit"
            kind="primary"
            busy={explain.isPending}
            disabled={resource === null || problem !== undefined || (by === "id" && rowId.trim() === "")}
          >
            Explain
          </Button>
        </div>
      </form>
      <div aria-live="polite" className="stack">
        {explain.data !== undefined && (
          <Card title={`Why: ${explain.data.explain.resource}`}>
            <Explained explanation={explain.data.explain} />
          </Card>
        )}
      </div>
    </div>
  );
}

function readFilter(text: string): { filter: unknown } | { error: string } {
  try {
    return { filter: JSON.parse(text) as unknown };
  } catch {
    return { error: "This is not JSON." };
  }
}
