/** Who is signed in to the pages. */
export interface Person {
  name: string;
  isAdministrator: boolean;
  signedInBy: "token" | "oidc";
  /** ISO 8601. */
  sessionExpiresAt: string;
}

/** By what a row of the audit log that the gateway writes says whose act it is: such a row has no actor of the database. */
export function detailsOf({ name, isAdministrator }: Person): Record<string, string> {
  return { via: "pages", as: isAdministrator ? "administrator" : "user", person: name };
}
