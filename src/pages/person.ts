/** Who is signed in to the pages. */
export interface Person {
  name: string;
  isAdministrator: boolean;
  signedInBy: "token" | "oidc";
  /** ISO 8601. */
  sessionExpiresAt: string;
}
