import { hostname } from "node:os";
import { resolve } from "node:path";

/** Whose alert it is that one gateway raises of itself: in containers many have the same directory, and on one machine many have the same host. */
export function alertSubject(directory: string): string {
  return `${hostname()}:${resolve(directory)}`;
}
