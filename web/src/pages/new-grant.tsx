import { useState } from "react";
import type { ReactElement } from "react";
import { choicesQuery } from "../api/choices.ts";
import { graphql } from "../api/graphql.ts";
import { useAct, useAsk, useLook } from "../api/hooks.ts";
import { ChangedRows, scopeChangeFragment } from "../scope/scope-changes.tsx";
import { ScopeEditor, errorOf } from "../scope/scope-editor.tsx";
import type { Draft } from "../scope/scope-editor.tsx";
import { scopeToJson } from "../scope/scope.ts";
import { Button, ButtonLink } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { focusFirstFault } from "../ui/first-fault.ts";
import { Failure } from "../ui/notes.tsx";
import { OneTimeUrl } from "../ui/one-time-url.tsx";
import { Card, Page } from "../ui/page.tsx";
import { Suggest } from "../ui/suggest.tsx";

const createMutation = graphql(`
  mutation CreateGrant($subject: String!, $peerHost: String!, $scope: JSON!, $expiresAt: String) {
    createGrant(subject: $subject, peerHost: $peerHost, scope: $scope, expiresAt: $expiresAt) {
      grant {
        id
        peerHost
      }
      enrollmentUrl
      urlExpiresAt
    }
  }
`);

const previewGrantMutation = graphql(
  `
    mutation PreviewGrant($subject: String!, $scope: JSON!) {
      previewGrant(subject: $subject, scope: $scope) {
        resources {
          ...ScopeChangeFields
        }
      }
    }
  `,
  [scopeChangeFragment],
);

const NOTHING: Draft = (() => {
  const scope = { resources: [], excluded: [], teams: [], personal: false, maxRows: 100 };
  return { scope, error: errorOf(scope) };
})();

/** Makes a grant, then shows its one-time URL. */
export function NewGrant(): ReactElement {
  const create = useAct(createMutation);
  const preview = useLook(previewGrantMutation);
  const [subject, setSubject] = useState("");
  const [peerHost, setPeerHost] = useState("");
  const [expires, setExpires] = useState("");
  const [draft, setDraft] = useState(NOTHING);
  const [tried, setTried] = useState(false);
  const choices = useAsk(
    choicesQuery,
    { search: subject.trim() === "" ? null : subject.trim() },
    { once: true, keep: true },
  );
  const made = create.data?.createGrant;
  if (made !== undefined) {
    return (
      <Page title="The grant is made" above={{ to: "/grants", title: "Grants" }}>
        <OneTimeUrl url={made.enrollmentUrl} until={made.urlExpiresAt} peer={made.grant.peerHost} />
        <div className="row">
          <ButtonLink to={`/grants/${made.grant.id}`}>To the grant</ButtonLink>
        </div>
      </Page>
    );
  }
  // What was counted, or refused, was so for another grant.
  const changed = (): void => {
    preview.reset();
    create.reset();
  };
  const subjectError = subject.trim() === "" ? "Whose rights bound what the peer reads?" : undefined;
  const peerError = peerHost.trim() === "" ? "By which host is the peer known?" : undefined;
  return (
    <Page
      title="New grant"
      above={{ to: "/grants", title: "Grants" }}
      intro="Lets one peer read what one of our users may see, narrowed by a scope. It waits until the peer enrolls by the one-time URL."
    >
      <form
        className="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          setTried(true);
          if (subjectError !== undefined || peerError !== undefined || draft.error !== undefined) {
            focusFirstFault(event.currentTarget);
          } else {
            create.mutate({
              subject: subject.trim(),
              peerHost: peerHost.trim(),
              scope: scopeToJson(draft.scope),
              expiresAt: expires === "" ? null : new Date(expires).toISOString(),
            });
          }
        }}
      >
        {/* What is being made is changed no more. */}
        <div className="stack" inert={create.isPending}>
          <Card title="Who">
            <div className="form">
              <Suggest
                label="Speaks for"
                required
                value={subject}
                onChange={(next) => {
                  setSubject(next);
                  changed();
                }}
                suggestions={choices.data?.choices.users ?? []}
                hint="The id of one of our users. The peer never sees more than they do."
                error={tried ? subjectError : undefined}
              />
              <Field
                label="Peer"
                required
                value={peerHost}
                onChange={(next) => {
                  setPeerHost(next);
                  create.reset();
                }}
                hint="The host of the gateway that will enroll, for example home.example."
                error={tried ? peerError : undefined}
              />
              <Field
                label="Ends by itself"
                type="datetime-local"
                value={expires}
                onChange={(next) => {
                  setExpires(next);
                  create.reset();
                }}
                hint="In your time zone. Empty: it goes on until it is revoked."
              />
            </div>
          </Card>
          <Card title="How much">
            <ScopeEditor
              draft={draft}
              complain={tried}
              onChange={(next) => {
                setDraft(next);
                changed();
              }}
            />
            {preview.isError && <Failure error={preview.error} />}
            <div className="row">
              <Button
                busy={preview.isPending}
                disabled={subjectError !== undefined || draft.error !== undefined}
                onPress={() => {
                  preview.mutate({ subject: subject.trim(), scope: scopeToJson(draft.scope) });
                }}
              >
                Show what it lets out
              </Button>
            </div>
          </Card>
        </div>
        <div aria-live="polite">
          {preview.data !== undefined && (
            <Card title="What the peer would see">
              <ChangedRows resources={preview.data.previewGrant.resources} peer={peerHost.trim() || "the peer"} />
            </Card>
          )}
        </div>
        {create.isError && <Failure error={create.error} />}
        <div className="row">
          <Button type="submit" kind="primary" busy={create.isPending}>
            Make the grant
          </Button>
          <ButtonLink to="/grants">Cancel</ButtonLink>
        </div>
      </form>
    </Page>
  );
}
