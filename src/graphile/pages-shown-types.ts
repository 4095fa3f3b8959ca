/** What the pages show of the gateway, its peers and its grants, as GraphQL. */
export const SHOWN_TYPES = /* GraphQL */ `
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
    "One line for people. Null to a user who is no administrator."
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
`;
