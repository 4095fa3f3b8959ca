import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactElement, ReactNode } from "react";
import { RequestError } from "../api/request.ts";
import { Button } from "./button.tsx";
import type { Tone } from "./badge.tsx";

/** Something to know; `alert` is read out at once by who does not see the page. */
export function Note({
  tone,
  alert = false,
  children,
}: {
  tone: Tone;
  alert?: boolean;
  children: ReactNode;
}): ReactElement {
  return (
    <div className={`note ${tone}`} role={alert ? "alert" : "note"}>
      {children}
    </div>
  );
}

/** What went wrong, with its code, and by which id it is in the gateway's log. */
export function Failure({
  error,
  retry,
  retryName = "Try again",
}: {
  error: unknown;
  retry?: () => void;
  retryName?: string;
}): ReactElement {
  const known = error instanceof RequestError ? error : undefined;
  return (
    <Note tone="bad" alert>
      <p>{known?.message ?? "Something failed that should not have."}</p>
      {known !== undefined && (
        <p className="small soft">
          <code>{known.code}</code>
          {known.requestId !== undefined && (
            <>
              {" "}
              · request <code>{known.requestId}</code>
            </>
          )}
        </p>
      )}
      {retry !== undefined && <Button onPress={retry}>{retryName}</Button>}
    </Note>
  );
}

/** What stands where something will be. */
export function Skeleton({ lines = 4 }: { lines?: number }): ReactElement {
  return (
    <div className="skeleton" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} />
      ))}
    </div>
  );
}

/** What a query brought, or that it is under way, or why it failed: what was there before stays beside a failure. */
export function Loaded<T>({
  query,
  lines,
  children,
}: {
  query: UseQueryResult<T>;
  lines?: number;
  children: (data: T) => ReactNode;
}): ReactElement {
  return (
    <>
      {query.isError && (
        <Failure
          error={query.error}
          retry={() => {
            void query.refetch();
          }}
        />
      )}
      {query.data !== undefined && children(query.data)}
      {query.isPending && <Skeleton {...(lines === undefined ? {} : { lines })} />}
    </>
  );
}
