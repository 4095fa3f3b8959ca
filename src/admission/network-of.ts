import { isIPv6 } from "node:net";

/**
 * What is counted as one where anybody may come: an IPv4 address, or the 64 bits of an IPv6 address that name a network, in which one customer has
 * all the others (RFC 6177 §2).
 */
export function networkOf(address: string | undefined): string {
  const [bare = ""] = (address ?? "unknown").split("%");
  // What a socket for both kinds says of an IPv4 address ends with it.
  if (!isIPv6(bare) || bare.includes(".")) {
    return bare;
  }
  const [left = [], right] = bare.split("::").map((half) => half.split(":").filter((group) => group !== ""));
  const between = right === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: between }, () => "0"), ...(right ?? [])];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
