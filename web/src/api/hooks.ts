import { useEffect, useRef } from "react";
import { keepPreviousData, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import type { UseMutationResult, UseQueryResult } from "@tanstack/react-query";
import type { TadaDocumentNode } from "gql.tada";
import { ask, RequestError } from "./request.ts";
import { keyOf, usePerson } from "./session.ts";

interface AskOptions {
  /** Asked for only by `refetch`. */
  onDemand?: boolean;
  /** Not asked again by itself. */
  once?: boolean;
  /** Whether the answer to the last question stays while the next one is under way. */
  keep?: boolean;
}

/** Asks the gateway an operation, and again every few seconds. */
export function useAsk<Result, Variables>(
  document: TadaDocumentNode<Result, Variables>,
  variables: Variables,
  { onDemand = false, once = false, keep = false }: AskOptions = {},
): UseQueryResult<Result> {
  const client = useQueryClient();
  // What one person was answered is no answer to another.
  const queryKey = [nameOf(document), variables, keyOf(usePerson())];
  return useQuery<Result>({
    queryKey,
    queryFn: () => {
      const again = (client.getQueryState(queryKey)?.dataUpdateCount ?? 0) > 0;
      return ask(document, variables, { background: again && !navigator.userActivation.isActive });
    },
    enabled: !onDemand,
    ...(onDemand || once ? { refetchInterval: false as const, staleTime: Infinity } : {}),
    ...(keep ? { placeholderData: keepPreviousData } : {}),
  });
}

/**
 * Something that a person does at the gateway; what is shown is then asked for anew.
 *
 * @param done called once it is done, before that, unless the person has gone elsewhere; given to `mutate` instead, it would be lost where what is
 *   asked anew takes away who called
 */
export function useAct<Result, Variables>(
  document: TadaDocumentNode<Result, Variables>,
  done?: () => void,
): UseMutationResult<Result, Error, Variables> {
  const client = useQueryClient();
  const shown = useRef(false);
  useEffect(() => {
    shown.current = true;
    return () => {
      shown.current = false;
    };
  }, []);
  return useMutation({
    mutationFn: (variables: Variables) => ask(document, variables).catch(whetherDone),
    onSuccess: () => {
      if (shown.current) {
        done?.();
      }
      return client.invalidateQueries({ predicate: (query) => !query.isDisabled() });
    },
  });
}

/** Who did something wants to know more than that what is shown may be old. */
function whetherDone(error: unknown): never {
  throw error instanceof RequestError && error.code === "NETWORK"
    ? new RequestError(
        "The gateway did not answer. Whether this was done is not known: look again once it answers.",
        "NETWORK",
      )
    : error;
}

/**
 * Something that a person asks for, that takes the gateway a while, and that changes nothing. Once it is not wanted any more (`reset`, or the person has gone
 * elsewhere) the gateway is not left at it: each person has one such question at a time there, and the next would wait.
 */
export function useLook<Result, Variables>(
  document: TadaDocumentNode<Result, Variables>,
): UseMutationResult<Result, Error, Variables> {
  const underWay = useRef<AbortController>(undefined);
  const giveUp = (): void => {
    underWay.current?.abort();
  };
  useEffect(() => giveUp, []);
  const look = useMutation({
    mutationFn: (variables: Variables) => {
      const controller = new AbortController();
      underWay.current = controller;
      return ask(document, variables, { signal: controller.signal });
    },
  });
  return {
    ...look,
    reset: () => {
      giveUp();
      look.reset();
    },
  };
}

function nameOf({ definitions }: Pick<TadaDocumentNode, "definitions">): string {
  const [definition] = definitions;
  return (definition !== undefined && "operation" in definition ? definition.name?.value : undefined) ?? "";
}
