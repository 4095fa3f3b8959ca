/** What the pages show of scopes, the audit log, resources and explanations, as GraphQL. */
export const REPORT_TYPES = /* GraphQL */ `
  type ScopePreview {
    "Whether the scope lets out anything more than the one of now, today or later: saving it has to be confirmed."
    widens: Boolean!
    "In words, what widens: \`resources\`, \`include_teams\`, \`include_personal\`, \`max_rows_per_query\`."
    widenedBy: [String!]!
    "Each registered resource."
    resources: [ScopeChange!]!
  }
  type ScopeChange {
    resource: String!
    admittedBefore: Boolean!
    admittedAfter: Boolean!
    "Whether no scope lets it out for now, because its table has lost its row-level security: once it has it again, these scopes hold."
    unprotected: Boolean!
    rowsBefore: Int!
    rowsAfter: Int!
    rowsGained: Int!
    rowsLost: Int!
    "Whether counting stopped at 10 000 rows; the numbers are then of the first ones."
    more: Boolean!
    "Up to 3 rows, with the columns that leave."
    examplesGained: [JSON!]!
    examplesLost: [JSON!]!
  }

  type AuditPage {
    rows: [AuditRow!]!
    "For \`before\`; null at the end."
    next: String
  }
  type AuditRow {
    id: String!
    at: String!
    "capabilities, list, get, search, enroll, renew; or a change such as grant.created."
    verb: String!
    "served, denied or failed"
    outcome: String!
    code: String!
    grantId: String
    subject: String
    peerHost: String
    resource: String
    rowCount: Int
    bytesOut: Int
    latencyMs: Float
    certificateSerial: String
    requestId: String
    traceId: String
    "Of a change: who made it. Null to a user who is no administrator."
    actor: String
    "Of a change: before and after. Null to a user who is no administrator."
    details: JSON
  }
  type AuditVerification {
    intact: Boolean!
    checkedAt: String!
    chains: [AuditChain!]!
  }
  type AuditChain {
    chain: String!
    "Rows that hold."
    entries: Int!
    "changed, removed, inserted or reordered; null where the chain is intact."
    fault: String
    faultPosition: String
    faultId: String
    faultAt: String
  }

  type Resource {
    name: String!
    "schema.table; null to a user who is no administrator."
    table: String
    keyColumn: String!
    "An expression over the row, often a column. Null to a user who is no administrator."
    owner: String
    team: String
    textColumns: [String!]
    timeColumn: String
    hiddenColumns: [String!]
    columns: [Column!]!
    "Whether row-level security and the scope policy are on its table: unless they are, nothing of it is served."
    isProtected: Boolean!
    "Whether we made the policy that says whose a row is, or the table had its own."
    nativePolicy: Boolean
    "Live grants that name it."
    liveGrants: Int!
  }
  type Column {
    name: String!
    type: String!
    nullable: Boolean!
  }
  type CandidateTable {
    "schema.table"
    table: String!
    "Whether it has policies of its own; if not, it needs an owner."
    hasPolicies: Boolean!
    "Columns that are unique and not null, each by itself."
    keyColumns: [String!]!
    columns: [CandidateColumn!]!
    "Null where the database has not counted yet."
    estimatedRows: Int
  }
  type CandidateColumn {
    name: String!
    type: String!
    nullable: Boolean!
    isText: Boolean!
    isTime: Boolean!
  }
  type Choices {
    users: [String!]!
    teams: [String!]!
    resources: [String!]!
  }

  type Alert {
    id: String!
    since: String!
    "warning or critical"
    severity: String!
    code: String!
    subject: String!
    message: String!
    resolvedAt: String
  }

  type Administrator {
    id: String!
    name: String!
    hasToken: Boolean!
    oidcSubject: String
    createdAt: String!
    createdBy: String!
    lastSeenAt: String
  }

  type AddedAdministrator {
    administrator: Administrator!
    "Shown this once."
    token: String!
  }

  type Explanation {
    resource: String!
    "What the peer's own request comes to now: OK, or its error."
    code: String!
    "grant, certificate, subject, resource, native, team, personal, policy or cap; null where nothing stands in the way."
    decidedBy: String
    stages: [ExplainedStage!]!
    maxRowsPerQuery: Int
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
    "hidden column, embedding or not registered"
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
  type Visible {
    "Other than OK, the peer sees nothing for now, and the rest is what it would see."
    code: String!
    resources: [VisibleResource!]!
  }
  type VisibleResource {
    resource: String!
    admitted: Boolean
    reason: String
    "Counted up to 10 000."
    rows: Int!
    rowsOfSubject: Int
    "Whether a count stopped there."
    more: Boolean!
    samples: [JSON!]!
  }
`;
