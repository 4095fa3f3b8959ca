import type { FieldArgs } from "postgraphile/grafast";
import { context, lambda } from "postgraphile/grafast";
import { extendSchema, gql } from "postgraphile/utils";
import type { ExplainQuestion, OwnGrants } from "../explain/for-subject.ts";
import type { Asked } from "../source/asked.ts";

const typeDefs = gql`
  extend type Query {
    """
    Why the peer of a grant that speaks for the user is served a resource, the row with this \`id\`, or the rows of \`filter\` (the first \`most\`, 20
    unless said otherwise, 100 at most), or is not.
    """
    explain(grant: String!, resource: String!, id: String, filter: JSON, most: Int): Explanation!
    "What the peer of a grant that speaks for the user sees now, with \`samples\` rows of each resource."
    visible(grant: String!, samples: Int): VisibleToPeer!
  }
  type Explanation {
    "What the peer's own request comes to now: OK, or its error."
    code: String!
    "grant, certificate, subject, resource, native, team, personal, policy or cap; null where nothing stands in the way."
    decidedBy: String
    stages: [ExplainedStage!]!
    maxRowsPerQuery: Int!
    columns: [ExplainedColumn!]!
    rows: [ExplainedRow!]!
  }
  type ExplainedStage {
    stage: String!
    "Null where it was not asked."
    passes: Boolean
    reason: String
    teams: [String!]
  }
  type ExplainedColumn {
    name: String!
    leaves: Boolean!
    decidedBy: String
  }
  "What each stage says of a row; null where it is not its case."
  type ExplainedRow {
    id: String!
    "Null where a row that is not there and one that the user may not see are not told apart."
    exists: Boolean
    served: Boolean!
    decidedBy: String
    native: Boolean!
    personal: Boolean
    team: Boolean
    teamOfSubject: Boolean
    "Whether it is among the rows of the first answer."
    cap: Boolean
    policies: [ExplainedPolicy!]!
  }
  type ExplainedPolicy {
    name: String!
    "permissive or restrictive"
    kind: String!
    "Null where it could not be asked."
    admits: Boolean
    reason: String
  }
  type VisibleToPeer {
    "Other than OK, the peer sees nothing for now, and the rest is what it would see."
    code: String!
    resources: [VisibleResource!]!
  }
  type VisibleResource {
    resource: String!
    admitted: Boolean!
    reason: String
    "Counted up to 10 000."
    rows: Int!
    rowsOfSubject: Int
    "Whether a count stopped there."
    more: Boolean!
    samples: [JSON!]!
  }
`;

/** What local users ask of the grants that speak for them, as part of their schema. */
export function ownGrantsPlugin(ownGrants: OwnGrants): GraphileConfig.Plugin {
  const askedBy = (ask: (asked: Asked, args: never) => Promise<unknown>) =>
    function plan(_root: unknown, args: FieldArgs) {
      return lambda([context(), args.getRaw()], ([caller, given]) =>
        // By contextValue of the executor and by typeDefs above.
        ask((caller as unknown as { asked: Asked }).asked, given as never),
      );
    };
  return extendSchema({
    typeDefs,
    objects: {
      Query: {
        plans: {
          explain: askedBy((asked, args: ExplainQuestion) => ownGrants.explain(asked, args)),
          visible: askedBy((asked, args: { grant: string; samples?: number }) => ownGrants.visible(asked, args)),
        },
      },
    },
  });
}
