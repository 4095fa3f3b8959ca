/**
 * What the pages ask, as GraphQL. Each field of Query and of Mutation is one SQL function of the schema `admin_api`, of the same name in snake case
 * and with the same arguments; which of them answers whom, and with which rows, is decided there.
 *
 * Times are ISO 8601 in UTC. Lists that a user who is no administrator gets hold what is theirs.
 */
export const ROOT_TYPES = /* GraphQL */ `
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
    Another scope, from now on. \`expectedScope\` is the one that was shown: where the grant has another, because somebody else has changed it, it is refused with
    CONFLICT. One that lets out anything more than the scope of now is refused with WIDENING_UNCONFIRMED unless \`confirmWidening\` is true. Administrators only.
    """
    updateScope(grantId: String!, scope: JSON!, expectedScope: JSON!, confirmWidening: Boolean): Grant!
    """
    What another scope would change for the peer, counted now under the real policies. Changes nothing; it is a mutation because it is written to the audit log.
    Administrators only.
    """
    previewScope(grantId: String!, scope: JSON!): ScopePreview!
    "What a peer would see by a grant that is not made yet, as \`previewScope\` has it: all that it would gain. Administrators only."
    previewGrant(subject: String!, scope: JSON!): ScopePreview!
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
    "Another administrator, who signs in by a token: it is shown this once. Administrators only."
    addAdministrator(name: String!): AddedAdministrator!
    "Ends an administrator's token and sessions. Refused with CONFLICT to the administrator themselves. Returns the name. Administrators only."
    removeAdministrator(name: String!): String!
  }
`;
