/** The channel on which changes of grants are told, from their commit on (PostgreSQL documentation, NOTIFY). */
export const CHANNEL = "federation_grants";
