import { useState } from "react";
import type { ReactElement } from "react";
import { useLocation } from "wouter";
import { graphql } from "../api/graphql.ts";
import { useAct, useAsk, useLook } from "../api/hooks.ts";
import { RequestError } from "../api/request.ts";
import { ScopeChanges, previewMutation } from "../scope/scope-changes.tsx";
import { ScopeEditor, errorOf } from "../scope/scope-editor.tsx";
import type { Draft } from "../scope/scope-editor.tsx";
import { readScope, scopeToJson } from "../scope/scope.ts";
import { Ask } from "../ui/ask.tsx";
import { Button } from "../ui/button.tsx";
import { Failure, Loaded } from "../ui/notes.tsx";
import { Card, Page } from "../ui/page.tsx";
import { isLive } from "./grant-actions.tsx";

const grantScopeQuery = graphql(`
  query GrantScope($id: String!) {
    grant(id: $id) {
      id
      subject
      peerHost
      status
      scope
    }
  }
`);

const updateMutation = graphql(`
  mutation UpdateScope($grantId: String!, $scope: JSON!, $expectedScope: JSON!, $confirmWidening: Boolean) {
    updateScope(grantId: $grantId, scope: $scope, expectedScope: $expectedScope, confirmWidening: $confirmWidening) {
      id
      scope
    }
  }
`);

/** The scope of a grant, to be changed. */
export function ScopePage({ id }: { id: string }): ReactElement {
  const query = useAsk(grantScopeQuery, { id }, { once: true });
  // Begun anew, what is edited is the scope of then.
  const [round, setRound] = useState(0);
  return (
    <Page
      title="Scope"
      above={{ to: `/grants/${id}`, title: "Grant" }}
      intro="What the peer reads is what the subject may see, and of it no more than the scope says."
    >
      <Loaded query={query}>
        {({ grant }) =>
          grant === null ? (
            <div className="empty">There is no such grant.</div>
          ) : isLive(grant.status) ? (
            <Editor
              key={round}
              id={grant.id}
              peer={grant.peerHost}
              subject={grant.subject}
              kept={grant.scope}
              onBeginAnew={() => {
                void query.refetch().then(() => {
                  setRound(round + 1);
                });
              }}
            />
          ) : (
            <div className="empty">This grant is {grant.status}: its scope is not changed any more.</div>
          )
        }
      </Loaded>
    </Page>
  );
}

function Editor({
  id,
  peer,
  subject,
  kept,
  onBeginAnew,
}: {
  id: string;
  peer: string;
  subject: string;
  kept: unknown;
  onBeginAnew: () => void;
}): ReactElement {
  const [, go] = useLocation();
  // What was shown when the changes began, whatever it is by now.
  const [shown] = useState(kept);
  const [draft, setDraft] = useState<Draft>(() => {
    const read = readScope(shown);
    const scope =
      "scope" in read ? read.scope : { resources: [], excluded: [], teams: [], personal: false, maxRows: 100 };
    return { scope, error: errorOf(scope) };
  });
  const [asking, setAsking] = useState(false);
  const preview = useLook(previewMutation);
  const update = useAct(updateMutation, () => {
    go(`/grants/${id}`);
  });
  const scope = scopeToJson(draft.scope);
  const save = (confirmWidening: boolean): void => {
    update.mutate({ grantId: id, scope, expectedScope: shown, confirmWidening });
  };
  const changes = preview.data?.previewScope;
  const gained = changes?.resources.reduce((all, { rowsGained }) => all + rowsGained, 0) ?? 0;
  const overtaken = update.error instanceof RequestError && update.error.code === "CONFLICT";
  return (
    <>
      <Card title={`What ${peer} may read on behalf of ${subject}`}>
        {/* What is being saved is changed no more. */}
        <div inert={update.isPending}>
          <ScopeEditor
            draft={draft}
            complain
            onChange={(next) => {
              setDraft(next);
              // What was counted was counted for another scope.
              preview.reset();
              update.reset();
            }}
          />
        </div>
        {preview.isError && <Failure error={preview.error} />}
        <div className="row">
          <Button
            kind={changes === undefined ? "primary" : "plain"}
            busy={preview.isPending}
            disabled={draft.error !== undefined}
            onPress={() => {
              preview.mutate({ grantId: id, scope });
            }}
          >
            Show the difference
          </Button>
        </div>
      </Card>
      <div aria-live="polite">
        {changes !== undefined && (
          <Card title="The difference">
            <ScopeChanges preview={changes} peer={peer} />
            {update.isError && !asking && !overtaken && <Failure error={update.error} />}
            <div className="row">
              {changes.widens ? (
                <Button
                  kind="primary"
                  onPress={() => {
                    setAsking(true);
                  }}
                >
                  Widen the grant…
                </Button>
              ) : (
                <Button
                  kind="primary"
                  busy={update.isPending}
                  onPress={() => {
                    save(false);
                  }}
                >
                  Save
                </Button>
              )}
            </div>
          </Card>
        )}
      </div>
      {overtaken && <Failure error={update.error} retry={onBeginAnew} retryName="Begin anew with the scope as it is" />}
      {asking && !overtaken && changes !== undefined && (
        <Ask
          title="Widen the grant?"
          action="Widen it"
          busy={update.isPending}
          error={update.error}
          onAnswer={(yes) => {
            if (yes) {
              save(true);
            } else {
              setAsking(false);
            }
          }}
        >
          <p>
            {peer} will read {gained.toLocaleString("en")} more {gained === 1 ? "row" : "rows"} from the next request
            on, and whatever comes to be in the wider scope later. What it has read cannot be taken back.
          </p>
        </Ask>
      )}
    </>
  );
}
