/**
 * A configuration of an earlier version of the format in the words of the current one; anything else as it is, for the check to
 * refuse.
 *
 * Version 2 brought the tier `federated`; version 1 had nothing that it does not have.
 */
export function upgradeConfig(value: unknown): unknown {
  if (typeof value === "object" && value !== null && "version" in value && value.version === 1) {
    return { ...value, version: 2 };
  }
  return value;
}
