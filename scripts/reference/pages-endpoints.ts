/** What stands before the GraphQL schema of the pages: how it is reached. */
export const PAGES_ENDPOINTS = `# What the pages ask of the gateway.
#
# Endpoints, all on the home listener and of one origin; nothing is ever said in a URL that is secret:
#
#   GET  /pages/                the built pages; every path under /pages/ without a dot in its last part answers index.html
#   GET  /pages/session         200 {"person": Person | null, "oidc": boolean}. \`oidc\`: whether "Sign in with ..." is to be offered
#   POST /pages/sign-in         {"token": "..."} -> 200 {"person": Person} and the cookie. 401 UNAUTHENTICATED, 429 RATE_LIMITED with Retry-After
#   GET  /pages/oidc/start      a plain link (not fetch): redirects to the provider and comes back to /pages/; on refusal to /pages/?refused=<CODE>, 404 NOT_FOUND where no provider is configured
#   POST /pages/sign-out        204; the session is over
#   POST /pages/graphql         {"query", "variables", "operationName"} -> {"data", "errors"}
#   GET  /pages/audit/export    a download: ?format=csv|ndjson and, as of the query \`audit\`: grantId, subject, verb, outcome, code, since, until, archived
#
# Every POST carries content-type: application/json and the header  mosaic-pages: 1  (else 403 ORIGIN_REFUSED, as for another Origin).
# A request that no person asked for (polling) also carries  mosaic-background: 1 : it does not keep an idle session alive (30 minutes; 12 hours in all).
# Errors: {"errors": [{"message", "extensions": {"code", "requestId"}}]}. 401 UNAUTHENTICATED: the session is over, show the sign-in. A GraphQL answer
# with data has status 200; one without has the status of its first error's code: 403 ADMINISTRATORS_ONLY, 409 WIDENING_UNCONFIRMED,
# 404 NOT_FOUND, 400 SCOPE_INVALID
# (extensions.path says where in the scope) and so on.
# Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self';
# form-action 'self'; base-uri 'none'; frame-ancestors 'none'.`;
