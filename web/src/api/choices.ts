import { graphql } from "./graphql.ts";

/** Users, teams and resources to choose from, those first whose id begins so. */
export const choicesQuery = graphql(`
  query Choices($search: String) {
    choices(search: $search) {
      users
      teams
      resources
    }
  }
`);
