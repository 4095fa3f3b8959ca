import { useState } from "react";
import type { ReactElement } from "react";
import type { ResultOf } from "gql.tada";
import { graphql } from "../api/graphql.ts";
import { useAct, useAsk } from "../api/hooks.ts";
import { usePerson } from "../api/session.ts";
import { Ask } from "../ui/ask.tsx";
import { Button } from "../ui/button.tsx";
import { CopyButton } from "../ui/copy.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { Field } from "../ui/field.tsx";
import { Failure, Loaded, Note } from "../ui/notes.tsx";
import { Card, Page } from "../ui/page.tsx";
import { When } from "../ui/when.tsx";

const administratorsQuery = graphql(`
  query Administrators {
    administrators {
      id
      name
      hasToken
      oidcSubject
      createdAt
      createdBy
      lastSeenAt
    }
  }
`);

const addMutation = graphql(`
  mutation AddAdministrator($name: String!) {
    addAdministrator(name: $name) {
      administrator {
        id
        name
      }
      token
    }
  }
`);

const removeMutation = graphql(`
  mutation RemoveAdministrator($name: String!) {
    removeAdministrator(name: $name)
  }
`);

const useAdd = () => useAct(addMutation);

type Administrator = ResultOf<typeof administratorsQuery>["administrators"][number];

/** Who may run the gateway from here. */
export function Administrators(): ReactElement {
  const query = useAsk(administratorsQuery, {});
  const person = usePerson();
  const [leaving, setLeaving] = useState<string | null>(null);
  const add = useAdd();
  const remove = useAct(removeMutation, () => {
    if (add.data?.addAdministrator.administrator.name === leaving) {
      // Its token opens nothing any more.
      add.reset();
    }
    setLeaving(null);
  });
  return (
    <Page
      title="Administrators"
      intro="Who may see and change everything here. Each signs in under a name of their own, which the audit log keeps."
    >
      <Card title="Who there is">
        <Loaded query={query}>
          {({ administrators }) => (
            <DataTable<Administrator>
              label="Administrators"
              rows={administrators}
              keyOf={({ id }) => id}
              empty="No administrator yet."
              columns={[
                { name: "Name", cell: ({ name }) => name },
                {
                  name: "Signs in by",
                  cell: ({ hasToken, oidcSubject }) => (hasToken ? "token" : <code>{oidcSubject}</code>),
                },
                { name: "Added", cell: ({ createdAt }) => <When at={createdAt} /> },
                { name: "Added by", cell: ({ createdBy }) => createdBy },
                { name: "Last seen", cell: ({ lastSeenAt }) => <When at={lastSeenAt} none="not signed in" /> },
                {
                  name: "Removal",
                  cell: ({ name }) =>
                    name === person.name ? (
                      <span className="soft">you</span>
                    ) : (
                      <Button
                        kind="danger"
                        onPress={() => {
                          remove.reset();
                          setLeaving(name);
                        }}
                      >
                        Remove…
                      </Button>
                    ),
                },
              ]}
            />
          )}
        </Loaded>
      </Card>
      <Addition add={add} />
      {leaving !== null && (
        <Ask
          title={`Remove ${leaving}?`}
          action="Remove them"
          kind="danger"
          busy={remove.isPending}
          error={remove.error}
          onAnswer={(yes) => {
            if (yes) {
              remove.mutate({ name: leaving });
            } else {
              setLeaving(null);
            }
          }}
        >
          <p>Their token and every session of theirs end at once. What they did stays in the audit log.</p>
        </Ask>
      )}
    </Page>
  );
}

function Addition({ add }: { add: ReturnType<typeof useAdd> }): ReactElement {
  const [name, setName] = useState("");
  const added = add.data?.addAdministrator;
  return (
    <Card title="Add an administrator">
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          add.mutate(
            { name },
            {
              onSuccess: () => {
                setName("");
              },
            },
          );
        }}
      >
        <Field
          label="Name"
          required
          value={name}
          onChange={setName}
          hint="What the audit log will call them. By a provider's account they are added with: mosaic admin add --oidc-subject."
        />
        {add.isError && <Failure error={add.error} />}
        <div className="row">
          <Button type="submit" kind="primary" busy={add.isPending} disabled={name === ""}>
            Add them
          </Button>
        </div>
      </form>
      {added !== undefined && (
        <section className="stack" aria-label={`Token of ${added.administrator.name}`}>
          <Note tone="warn" alert>
            <p>
              The token of {added.administrator.name} is shown this once. Whoever has it is an administrator: give it to
              them by a way that you both trust.
            </p>
          </Note>
          <pre className="sample" data-testid="administrator-token">
            {added.token}
          </pre>
          <CopyButton text={added.token}>Copy the token</CopyButton>
        </section>
      )}
    </Card>
  );
}
