import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { keyOf, PersonContext, readSession, SESSION_KEY } from "./api/session.ts";
import { Frame } from "./frame.tsx";
import { SignIn } from "./pages/sign-in.tsx";
import { Failure, Skeleton } from "./ui/notes.tsx";

/** Nobody sees a page before they have signed in, nor after the session has ended. */
export function Gate(): ReactElement {
  const session = useQuery({ queryKey: SESSION_KEY, queryFn: readSession, refetchInterval: false });
  if (session.data?.person != null) {
    return (
      // In another window somebody else may have signed in: no page goes on as theirs.
      <PersonContext key={keyOf(session.data.person)} value={session.data.person}>
        <Frame />
      </PersonContext>
    );
  }
  return (
    <div className="sign-in">
      <main>
        {session.data !== undefined && <SignIn oidc={session.data.oidc} />}
        {session.isPending && <Skeleton />}
        {session.isError && (
          <Failure
            error={session.error}
            retry={() => {
              void session.refetch();
            }}
          />
        )}
      </main>
    </div>
  );
}
