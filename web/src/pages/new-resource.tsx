import { useState } from "react";
import type { ReactElement } from "react";
import type { ResultOf } from "gql.tada";
import { useLocation } from "wouter";
import { graphql } from "../api/graphql.ts";
import { useAct, useAsk } from "../api/hooks.ts";
import { Button, ButtonLink } from "../ui/button.tsx";
import { Choice, Several } from "../ui/choice.tsx";
import type { Option } from "../ui/choice.tsx";
import { Field } from "../ui/field.tsx";
import { Failure, Loaded, Note } from "../ui/notes.tsx";
import { Card, Page } from "../ui/page.tsx";

const candidatesQuery = graphql(`
  query CandidateTables {
    candidateTables {
      table
      hasPolicies
      keyColumns
      estimatedRows
      columns {
        name
        type
        nullable
        isText
        isTime
      }
    }
  }
`);

const registerMutation = graphql(`
  mutation RegisterResource(
    $name: String!
    $table: String!
    $owner: String
    $team: String
    $textColumns: [String!]
    $timeColumn: String
    $keyColumn: String
    $hiddenColumns: [String!]
  ) {
    registerResource(
      name: $name
      table: $table
      owner: $owner
      team: $team
      textColumns: $textColumns
      timeColumn: $timeColumn
      keyColumn: $keyColumn
      hiddenColumns: $hiddenColumns
    ) {
      name
    }
  }
`);

type Candidate = ResultOf<typeof candidatesQuery>["candidateTables"][number];

/** A table becomes a resource. */
export function NewResource(): ReactElement {
  const query = useAsk(candidatesQuery, {}, { once: true });
  const [chosen, setChosen] = useState<string | null>(null);
  return (
    <Page
      title="Register a table"
      above={{ to: "/resources", title: "Resources" }}
      intro="Which table, whose each row is, and which of its columns may be searched or must never leave."
    >
      <Loaded query={query}>
        {({ candidateTables }) => {
          const table = candidateTables.find((candidate) => candidate.table === chosen);
          return candidateTables.length === 0 ? (
            <div className="empty">
              There is no other table: every one is registered, or has no column that is unique and never null.
            </div>
          ) : (
            <>
              <Card title="Table">
                <div className="form">
                  <Choice
                    label="Table"
                    required
                    value={chosen}
                    onChange={setChosen}
                    options={candidateTables.map(({ table: id, estimatedRows: rows }) => ({
                      id,
                      name: rows === null ? id : `${id} (about ${rows.toLocaleString("en")} rows)`,
                    }))}
                  />
                </div>
              </Card>
              {table !== undefined && <Registration key={table.table} candidate={table} />}
            </>
          );
        }}
      </Loaded>
    </Page>
  );
}

const NONE = "";

function Registration({ candidate }: { candidate: Candidate }): ReactElement {
  const [, go] = useLocation();
  const register = useAct(registerMutation, () => {
    go("/resources");
  });
  const [name, setName] = useState(suggestedName(candidate.table));
  const [key, setKey] = useState(candidate.keyColumns[0] ?? NONE);
  const [owner, setOwner] = useState(NONE);
  const [team, setTeam] = useState(NONE);
  const [time, setTime] = useState(NONE);
  const [text, setText] = useState<string[]>([]);
  const [hidden, setHidden] = useState<string[]>([]);
  const [tried, setTried] = useState(false);
  // What is chosen for something that peers are served is offered as hidden no more, and must not be sent as such.
  const serve = (chosen: readonly string[]): void => {
    setHidden(hidden.filter((column) => !chosen.includes(column)));
  };
  const problem = !/^[a-z][a-z0-9_]{0,49}$/.test(name)
    ? "The name has up to 50 lower-case letters, digits and underscores, a letter first."
    : !candidate.hasPolicies && owner === NONE
      ? "A table without policies of its own needs an owner: without one, no row would be anybody's."
      : undefined;
  const columns = (fits: (column: Candidate["columns"][number]) => boolean = () => true): Option[] =>
    candidate.columns.filter(fits).map((column) => ({ id: column.name, name: `${column.name} (${column.type})` }));
  const orNone = (options: Option[]): Option[] => [{ id: NONE, name: "none" }, ...options];
  const orNull = (value: string): string | null => (value === NONE ? null : value);
  return (
    <form
      className="stack"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setTried(true);
        if (problem === undefined) {
          register.mutate({
            name,
            table: candidate.table,
            owner: orNull(owner),
            team: orNull(team),
            textColumns: text,
            timeColumn: orNull(time),
            keyColumn: orNull(key),
            hiddenColumns: hidden,
          });
        }
      }}
    >
      <Card title="What of it">
        <div className="form">
          <Field label="Name" required value={name} onChange={setName} hint="By which scopes and peers name it." />
          <Choice
            label="Key"
            value={key}
            onChange={(id) => {
              setKey(id);
              serve([id]);
            }}
            options={candidate.keyColumns.map((id) => ({ id, name: id }))}
          />
          {candidate.hasPolicies && (
            <Note tone="quiet">
              <p>The table has policies of its own: they go on deciding whose a row is.</p>
            </Note>
          )}
          <Choice
            label="Owner"
            required={!candidate.hasPolicies}
            value={owner}
            onChange={setOwner}
            options={orNone(columns())}
            hint="The column that says whose a row is: ids of users."
          />
          <Choice
            label="Team"
            value={team}
            onChange={setTeam}
            options={orNone(columns())}
            hint="The column that says which team's a row is. A row without a team is personal."
          />
          <Choice
            label="Time"
            value={time}
            onChange={(id) => {
              setTime(id);
              serve([id]);
            }}
            options={orNone(columns(({ isTime }) => isTime))}
            hint="When the row came to be, for what asks by time."
          />
          <Several
            label="Text"
            options={columns(({ isText }) => isText)}
            value={text}
            onChange={(ids) => {
              setText(ids);
              serve(ids);
            }}
            hint="Columns whose words can be searched."
          />
          <Several
            label="Columns that never leave"
            options={columns(({ name: column }) => column !== key && !text.includes(column) && column !== time)}
            value={hidden}
            onChange={setHidden}
            hint="No peer is served these, whatever its scope."
          />
        </div>
      </Card>
      {tried && problem !== undefined && (
        <Note tone="bad" alert>
          <p>{problem}</p>
        </Note>
      )}
      {register.isError && <Failure error={register.error} />}
      <div className="row">
        <Button type="submit" kind="primary" busy={register.isPending}>
          Register it
        </Button>
        <ButtonLink to="/resources">Cancel</ButtonLink>
      </div>
    </form>
  );
}

/** The table's name as a resource may have it; empty where it has no letter of these. */
function suggestedName(table: string): string {
  return table
    .replace(/^.*\./, "")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+/, "")
    .slice(0, 50)
    .replace(/_$/, "");
}
