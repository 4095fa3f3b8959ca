import type { QueryClient } from "@tanstack/react-query";
import { createContext, use } from "react";
import { post, read } from "./request.ts";

/** Who is signed in. */
export interface Person {
  name: string;
  isAdministrator: boolean;
  signedInBy: string;
  sessionExpiresAt: string;
}

/** Whether somebody is signed in, and how one may sign in. */
export interface Session {
  person: Person | null;
  /** Whether there is a provider to sign in with. */
  oidc: boolean;
}

/** By what the session is kept among the answers of the gateway. */
export const SESSION_KEY = ["session"];

/** Forgets who was signed in and what they were shown, in this order: nothing of it is there once another is. Then asks who is signed in now. */
export async function changeSession(client: QueryClient): Promise<void> {
  client.setQueryData<Session>(SESSION_KEY, (session) => session && { ...session, person: null });
  client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== SESSION_KEY[0] });
  // A token or a URL that was shown once is among what they did.
  client.getMutationCache().clear();
  await client.invalidateQueries({ queryKey: SESSION_KEY });
}

/** Asks who is signed in. */
export async function readSession(): Promise<Session> {
  // By the head of docs/reference/pages.graphql.
  return (await read(fetch(`${import.meta.env.BASE_URL}session`))) as Session;
}

/** Signs in by a token; the gateway answers with a cookie that no script can read. */
export async function signIn(token: string): Promise<void> {
  await post("sign-in", { token });
}

/** Ends the session. */
export async function signOut(): Promise<void> {
  await post("sign-out", {});
}

/** The person who is signed in, for all that is shown to them. */
export const PersonContext = createContext<Person | undefined>(undefined);

/** The person who is signed in. */
export function usePerson(): Person {
  const person = use(PersonContext);
  if (person === undefined) {
    throw new Error("nobody is signed in");
  }
  return person;
}

/** By which a person is told from any other. */
export function keyOf({ name, isAdministrator }: Person): string {
  return `${isAdministrator ? "administrator" : "user"} ${name}`;
}
