import { FederationError } from "../../src/errors.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NEXT = '"mosaic federation grant list" shows them all';

/** @throws FederationError USAGE where the text can be no grant's id */
export function requireGrantId(id: string): void {
  if (!UUID.test(id)) {
    throw new FederationError("USAGE", `"${id}" is no grant's id, which is a UUID; ${NEXT}`);
  }
}

/** The refusal of a grant that is not there. */
export function noSuchGrant(id: string, cause?: unknown): FederationError {
  return new FederationError("NOT_FOUND", `there is no grant ${id}; ${NEXT}`, { cause });
}

/**
 * Does what is asked of one grant. The database does not repeat an id that it was given, so that what it finds nothing by is named here.
 *
 * @param work finds nothing but the grant by an id
 * @throws FederationError USAGE where the text can be no grant's id, NOT_FOUND where there is no such grant
 */
export async function ofGrant<T>(id: string, work: () => Promise<T>): Promise<T> {
  requireGrantId(id);
  try {
    return await work();
  } catch (error) {
    throw error instanceof FederationError && error.code === "NOT_FOUND" ? noSuchGrant(id, error) : error;
  }
}
