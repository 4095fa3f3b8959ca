import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { useState } from "react";
import type { ReactElement } from "react";
import { RequestError } from "./api/request.ts";
import { changeSession } from "./api/session.ts";
import { Gate } from "./gate.tsx";

/** How old what is shown may be, ms. */
const REFRESH_MS = 5_000;

function createClient(): QueryClient {
  // The session ended: what is shown gives way to the sign-in, and is forgotten.
  const onError = (error: Error): void => {
    if (error instanceof RequestError && error.code === "UNAUTHENTICATED") {
      void changeSession(client);
    }
  };
  const client = new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      queries: {
        refetchInterval: REFRESH_MS,
        // What the gateway refuses once it refuses again; an answer that did not come may come.
        retry: (count, error) => count < 2 && error instanceof RequestError && error.code === "NETWORK",
        retryDelay: 500,
        networkMode: "always",
      },
      mutations: { networkMode: "always" },
    },
  });
  return client;
}

/** The pages. */
export function App(): ReactElement {
  const [client] = useState(createClient);
  return (
    <QueryClientProvider client={client}>
      <Gate />
    </QueryClientProvider>
  );
}
