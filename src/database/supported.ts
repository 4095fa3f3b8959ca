/** PostgreSQL's major versions that a gateway is tested on. */
export const SUPPORTED_MAJORS = { from: 15, to: 18 };
