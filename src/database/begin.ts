/**
 * Begins a transaction, each statement of which sees what was committed before it, whatever the default of a database or a login is: whoever has
 * waited for a lock looks again, and has to see what was done meanwhile (PostgreSQL documentation, Transaction Isolation).
 */
export const BEGIN = "begin isolation level read committed";
/** Begins one of these that writes nothing. */
export const BEGIN_READ_ONLY = "begin isolation level read committed read only";
