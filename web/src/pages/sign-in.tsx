import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { ReactElement } from "react";
import { changeSession, signIn } from "../api/session.ts";
import { Button } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { Failure, Note } from "../ui/notes.tsx";
import { Page } from "../ui/page.tsx";

/** Why the gateway sends a browser back here. Nothing else that an address says is shown: anybody can make one. */
const REFUSALS: Partial<Record<string, string>> = {
  UNAUTHENTICATED: "The provider may know you, but this gateway does not let you in.",
  RATE_LIMITED: "Too many sign-ins have failed. Try again in a minute.",
  UNAVAILABLE: "The provider or the gateway's database is not available for now.",
  INTERNAL: "The sign-in failed. The gateway's log says why.",
};

/** Sign-in by token, or at the provider where there is one. */
export function SignIn({ oidc }: { oidc: boolean }): ReactElement {
  const [token, setToken] = useState("");
  const client = useQueryClient();
  const attempt = useMutation({
    mutationFn: signIn,
    onSuccess: () => changeSession(client),
  });
  const code = new URLSearchParams(window.location.search).get("refused") ?? "";
  const refused = REFUSALS[code];
  return (
    <Page title="Sign in">
      {refused !== undefined && (
        <Note tone="bad" alert>
          <p>
            {refused} <code>{code}</code>
          </p>
        </Note>
      )}
      <form
        className="card"
        onSubmit={(event) => {
          event.preventDefault();
          attempt.mutate(token.trim());
        }}
      >
        <Field
          label="Token"
          type="password"
          value={token}
          onChange={setToken}
          required
          autoComplete="current-password"
          hint="Administrators: mosaic admin add. Users: mosaic token create."
        />
        {attempt.isError && <Failure error={attempt.error} />}
        <div className="row">
          <Button type="submit" kind="primary" busy={attempt.isPending} disabled={token.trim() === ""}>
            Sign in
          </Button>
          {oidc && (
            <a className="button plain" href={`${import.meta.env.BASE_URL}oidc/start`}>
              Sign in with your organisation
            </a>
          )}
        </div>
      </form>
    </Page>
  );
}
