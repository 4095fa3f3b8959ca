import { graphql } from "../api/graphql.ts";

/** Asks which stage decides. */
export const explainMutation = graphql(`
  mutation Explain($grantId: String!, $resource: String!, $id: String, $filter: JSON, $most: Int) {
    explain(grantId: $grantId, resource: $resource, id: $id, filter: $filter, most: $most) {
      resource
      code
      decidedBy
      maxRowsPerQuery
      stages {
        stage
        passes
        reason
        teams
      }
      columns {
        name
        leaves
        decidedBy
      }
      rows {
        id
        exists
        served
        decidedBy
        native
        personal
        team
        teamOfSubject
        cap
        policies {
          name
          kind
          admits
          reason
        }
      }
    }
  }
`);
