/**
 * What the pages ask, as GraphQL. Each field of Query and of Mutation is one SQL function of the schema `admin_api`, of the same name in snake case
 * and with the same arguments; which of them answers whom, and with which rows, is decided there.
 *
 * Times are ISO 8601 in UTC. Lists that a user who is no administrator gets hold what is theirs.
 */
export const PAGES_TYPES = /* GraphQL */ `
  extend type Query {
    "Who is signed in."
    me: Person!
    "The gateway at a glance. A user gets it without what is of others: \`gateways\`, \`traffic\` and \`alerts\` are then empty."
    overview: Overview!
    "Remote gateways that we enrolled with: an administrator sees everybody's, a user their own."
    peers: [Peer!]!
    "Grants that we gave: an administrator sees all, a user those in which they are the subject. Newest first."
    grants(status: GrantStatus, search: String): [Grant!]!
    "Null where there is none, or none that is the user's: the two are not told apart."
    grant(id: String!): Grant
    """
    Rows of the audit log, newest first, at most \`first\` (100, at most 1 000) of them. The next page is before the \`id\` of the last. A user gets the trail of the grants
    in which they are the subject.
    """
    audit(
      grantId: String
      subject: String
      verb: String
      outcome: String
      code: String
      since: String
      until: String
      before: String
      archived: Boolean
      first: Int
    ): AuditPage!
    "Walks every chain of the audit log. Administrators only. It may take a while: not to be asked for over and over."
    auditVerification: AuditVerification!
    "Registered tables."
    resources: [Resource!]!
    "Tables that could be registered. Administrators only."
    candidateTables: [CandidateTable!]!
    "Users and teams of the application to choose from, those whose id begins so first; at most 50 each. Administrators only."
    choices(search: String): Choices!
    "What an administrator should look at, newest first. Administrators only."
    alerts(includeResolved: Boolean): [Alert!]!
    "Who may sign in as an administrator. Administrators only."
    administrators: [Administrator!]!
  }

  extend type Mutation {
    "Administrators only. The URL is shown this once: neither it nor its token can be had again."
    createGrant(subject: String!, peerHost: String!, scope: JSON!, expiresAt: String): CreatedGrant!
    "Another one-time URL for a grant that is pending or active; the one before ends. Administrators only."
    createEnrollmentUrl(grantId: String!): CreatedGrant!
    """
    Another scope, from now on. One that lets out anything more than the scope of now is refused with WIDENING_UNCONFIRMED unless \`confirmWidening\`
    is true. Administrators only.
    """
    updateScope(grantId: String!, scope: JSON!, confirmWidening: Boolean): Grant!
    """
    What another scope would change for the peer, counted now under the real policies. Changes nothing; it is a mutation because it is written to the audit log.
    Administrators only.
    """
    previewScope(grantId: String!, scope: JSON!): ScopePreview!
    "Administrators only."
    suspendGrant(grantId: String!): Grant!
    "Administrators only."
    resumeGrant(grantId: String!): Grant!
    "For good. Administrators, and the subject of the grant."
    revokeGrant(grantId: String!, reason: String!): Grant!
    """
    Why the peer is served a resource, the row of this \`id\` or the rows of \`filter\` (the first \`most\`: 20, at most 100), or is not. Administrators,
    whose question is written to the audit log, and the subject of the grant.
    """
    explain(grantId: String!, resource: String!, id: String, filter: JSON, most: Int): Explanation!
    "What the peer sees now, with \`samples\` rows of each resource (3, at most 20). Administrators, whose look is written to the audit log, and the subject."
    visible(grantId: String!, samples: Int): Visible!
    "Asks the peer for another certificate now. Administrators, and the user whose peer it is."
    renewPeer(id: String!): Peer!
    "Forgets a peer, its certificate and its key. Administrators, and the user whose peer it is. Returns its id."
    removePeer(id: String!): String!
    "Makes a table a resource. Administrators only."
    registerResource(
      name: String!
      "schema.table, as \`candidateTables\` names it."
      table: String!
      owner: String
      team: String
      textColumns: [String!]
      timeColumn: String
      keyColumn: String
      hiddenColumns: [String!]
    ): Resource!
    "Drops a registration and leaves the table as it was found. Refused with CONFLICT while a live grant names it. Returns its name. Administrators only."
    unregisterResource(name: String!): String!
  }

  type Person {
    "Of an administrator, or the id of a local user."
    name: String!
    isAdministrator: Boolean!
    "token or oidc"
    signedInBy: String!
    "When the session ends whatever is done in it."
    sessionExpiresAt: String!
  }

  type Overview {
    host: String!
    "local, standalone or federated"
    tier: String!
    services: [Service!]!
    grants: [StatusCount!]!
    peers: [StatusCount!]!
    gateways: [RunningGateway!]!
    alerts: [Alert!]!
    traffic: Traffic!
  }
  "A part that the gateway stands on."
  type Service {
    "database, valkey, authority, notices, revocationList or audit"
    name: String!
    "ok, degraded or down"
    state: String!
    "One line for people."
    detail: String
  }
  type StatusCount {
    status: String!
    count: Int!
  }
  type RunningGateway {
    name: String!
    startedAt: String!
    seenAt: String!
    certificateUntil: String
  }
  type Traffic {
    "The last 60 minutes, the oldest first, each minute once."
    perMinute: [Minute!]!
    "Of the last 24 hours, the most frequent first."
    refusalsByCode: [CodeCount!]!
    requestsOfLastDay: Int!
    refusedOfLastDay: Int!
    "Rows that the audit log says are missing."
    droppedOfLastDay: Int!
  }
  type Minute {
    at: String!
    served: Int!
    refused: Int!
  }
  type CodeCount {
    code: String!
    count: Int!
  }

  type Peer {
    id: String!
    host: String!
    "The local user whose peer it is."
    user: String!
    "active, degraded or revoked"
    state: String!
    federationUrl: String!
    grantId: String!
    certificateSerial: String!
    certificateUntil: String!
    enrolledAt: String!
    "closed, open or half-open; null where no running gateway has asked it."
    circuit: String
    lastSuccessAt: String
    lastFailureAt: String
    lastFailureCode: String
    offlineSince: String
    renewalFailures: Int!
    renewalFailedAt: String
    renewalFailureCode: String
    "Why it is revoked."
    endedBecause: String
  }

  enum GrantStatus {
    pending
    active
    suspended
    revoked
    expired
  }
  type Grant {
    id: String!
    subject: String!
    peerHost: String!
    status: GrantStatus!
    scope: JSON!
    createdAt: String!
    "Null to a user who is no administrator."
    createdBy: String
    activatedAt: String
    expiresAt: String
    endedAt: String
    endReason: String
    certificateSerial: String
    certificateUntil: String
    "Null: what the gateway says."
    requestsPerMinute: Int
    burst: Int
    "async or strict"
    auditMode: String!
    "Of the last row of its trail."
    lastRequestAt: String
    requestsOfLastDay: Int!
    refusedOfLastDay: Int!
  }
  type CreatedGrant {
    grant: Grant!
    enrollmentUrl: String!
    "15 minutes from now."
    urlExpiresAt: String!
  }

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
    estimatedRows: Int!
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
