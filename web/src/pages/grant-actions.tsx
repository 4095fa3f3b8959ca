import { useState } from "react";
import type { ReactElement } from "react";
import { graphql } from "../api/graphql.ts";
import { useAct } from "../api/hooks.ts";
import { usePerson } from "../api/session.ts";
import { Ask } from "../ui/ask.tsx";
import { Button, ButtonLink } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { Failure } from "../ui/notes.tsx";
import { OneTimeUrl } from "../ui/one-time-url.tsx";

const suspendMutation = graphql(`
  mutation SuspendGrant($grantId: String!) {
    suspendGrant(grantId: $grantId) {
      id
      status
    }
  }
`);

const resumeMutation = graphql(`
  mutation ResumeGrant($grantId: String!) {
    resumeGrant(grantId: $grantId) {
      id
      status
    }
  }
`);

const revokeMutation = graphql(`
  mutation RevokeGrant($grantId: String!, $reason: String!) {
    revokeGrant(grantId: $grantId, reason: $reason) {
      id
      status
    }
  }
`);

const urlMutation = graphql(`
  mutation CreateEnrollmentUrl($grantId: String!) {
    createEnrollmentUrl(grantId: $grantId) {
      enrollmentUrl
      urlExpiresAt
    }
  }
`);

interface Actionable {
  id: string;
  peerHost: string;
  status: "pending" | "active" | "suspended" | "revoked" | "expired";
}

/** What can be done to a grant, as its state and the person's rights allow. */
export function GrantActions({ grant: { id, peerHost, status } }: { grant: Actionable }): ReactElement {
  const { isAdministrator } = usePerson();
  const suspend = useAct(suspendMutation);
  const resume = useAct(resumeMutation);
  const [asked, setAsked] = useState<"revoke" | "url">();
  const answered = (): void => {
    setAsked(undefined);
  };
  const revoke = useAct(revokeMutation, answered);
  const renewed = useAct(urlMutation, answered);
  const [reason, setReason] = useState("");
  const live = isLive(status);
  const url = renewed.data?.createEnrollmentUrl;
  return (
    <>
      <div className="row">
        <ButtonLink to={`/grants/${id}/explain`}>What it lets out, and why</ButtonLink>
        {isAdministrator && status === "active" && (
          <Button
            busy={suspend.isPending}
            onPress={() => {
              suspend.mutate({ grantId: id });
            }}
          >
            Suspend
          </Button>
        )}
        {isAdministrator && status === "suspended" && (
          <Button
            busy={resume.isPending}
            onPress={() => {
              resume.mutate({ grantId: id });
            }}
          >
            Resume
          </Button>
        )}
        {isAdministrator && (status === "pending" || status === "active") && (
          <Button
            onPress={() => {
              setAsked("url");
            }}
          >
            New one-time URL…
          </Button>
        )}
        {live && (
          <Button
            kind="danger"
            onPress={() => {
              setAsked("revoke");
            }}
          >
            Revoke…
          </Button>
        )}
      </div>
      {suspend.isError && <Failure error={suspend.error} />}
      {resume.isError && <Failure error={resume.error} />}
      {/* Of a grant that has ended it is no secret any more, and opens nothing. */}
      {url !== undefined && live && <OneTimeUrl url={url.enrollmentUrl} until={url.urlExpiresAt} peer={peerHost} />}
      {asked === "url" && (
        <Ask
          title="Make another one-time URL?"
          action="Make it"
          busy={renewed.isPending}
          error={renewed.error}
          onAnswer={(yes) => {
            if (yes) {
              renewed.mutate({ grantId: id });
            } else {
              answered();
            }
          }}
        >
          <p>The one before ends now. Whoever enrolls by the new one gets a certificate for this grant.</p>
        </Ask>
      )}
      {asked === "revoke" && (
        <Ask
          title={`Revoke the grant to ${peerHost}?`}
          action="Revoke it"
          kind="danger"
          busy={revoke.isPending}
          disabled={reason.trim() === ""}
          error={revoke.error}
          onAnswer={(yes) => {
            if (yes) {
              revoke.mutate({ grantId: id, reason: reason.trim() });
            } else {
              answered();
            }
          }}
        >
          <p>
            From its next request on, {peerHost} reads nothing. This cannot be undone: to share again, make another
            grant.
          </p>
          <Field
            label="Reason"
            required
            value={reason}
            onChange={setReason}
            hint="For the record here; the peer is not told."
          />
        </Ask>
      )}
    </>
  );
}

/** Whether a grant serves, or may yet. */
export function isLive(status: Actionable["status"]): boolean {
  return status === "pending" || status === "active" || status === "suspended";
}
