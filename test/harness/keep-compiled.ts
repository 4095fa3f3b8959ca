import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

// Of a browser's, says TypeScript; Node has it, too.
const { WebAssembly } = globalThis as unknown as { WebAssembly: { compile(bytes: Uint8Array): Promise<object> } };

let kept: Promise<object> | undefined;

/**
 * Keeps what V8 has compiled of the embedded database as long as this process lasts. It is shared by all that are opened, and goes with the last that is
 * closed: to compile it anew takes as long as all else of a gateway's start.
 */
export async function keepCompiled(): Promise<void> {
  const folder = dirname(createRequire(import.meta.url).resolve("@electric-sql/pglite"));
  kept ??= readFile(join(folder, "pglite.wasm")).then((bytes) => WebAssembly.compile(bytes));
  await kept;
}
