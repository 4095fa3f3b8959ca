import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { extname, join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { areBuilt, NOT_BUILT } from "../../config/built-pages.ts";
import { FederationError } from "../../errors.ts";

const compress = promisify(gzip);

const TYPES: Readonly<Record<string, string>> = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".png": "image/png",
  ".svg": "image/svg+xml; charset=utf-8",
  ".txt": "text/plain; charset=utf-8",
  ".webmanifest": "application/manifest+json; charset=utf-8",
  ".woff2": "font/woff2",
};

interface BuiltFile {
  type: string;
  tag: string;
  cache: string;
  plain: Buffer;
  compressed: Buffer | undefined;
}

/** Sends the built pages. */
export interface BuiltPages {
  /**
   * @param path below /pages/, decoded, without the first slash
   * @throws FederationError NOT_FOUND, UNAVAILABLE where the pages were not built and no browser asks for one
   */
  send(request: IncomingMessage, response: ServerResponse, path: string): Promise<void>;
}

/**
 * The pages in a folder that vite made, read at the first request. Only what is there then is ever sent, so no path leads out of it.
 *
 * @param folder for example `dist/pages`
 */
export function createBuiltPages(folder: string): BuiltPages {
  let reading: Promise<Map<string, BuiltFile>> | undefined;
  const files = (): Promise<Map<string, BuiltFile>> => {
    reading ??= readBuilt(folder).catch((error: unknown) => {
      reading = undefined;
      throw error;
    });
    return reading;
  };
  return {
    send: async (request, response, path) => {
      if (!areBuilt(folder)) {
        // Whoever looks in a browser reads words; a program, and what belongs to a page, the code.
        if (!/\btext\/html\b/.test(request.headers.accept ?? "")) {
          throw new FederationError("UNAVAILABLE", NOT_BUILT);
        }
        response.writeHead(503, { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" });
        response.end(request.method === "HEAD" ? undefined : `${NOT_BUILT} Then load this page again.\n`);
        return;
      }
      const built = await files();
      // Whatever names no file is a place in the pages, which find it themselves.
      const file = built.get(path) ?? (/\.[^/]*$/.test(path) ? undefined : built.get("index.html"));
      if (file === undefined) {
        throw new FederationError("NOT_FOUND", "There is nothing at this path.");
      }
      response.setHeader("cache-control", file.cache);
      response.setHeader("etag", file.tag);
      response.setHeader("vary", "accept-encoding");
      if (request.headers["if-none-match"] === file.tag) {
        response.writeHead(304).end();
        return;
      }
      const zipped =
        file.compressed !== undefined && /\bgzip\b/.test(request.headers["accept-encoding"]?.toString() ?? "");
      const body = zipped ? (file.compressed ?? file.plain) : file.plain;
      response.writeHead(200, {
        "content-type": file.type,
        "content-length": body.length,
        ...(zipped ? { "content-encoding": "gzip" } : {}),
      });
      response.end(request.method === "HEAD" ? undefined : body);
    },
  };
}

async function readBuilt(folder: string): Promise<Map<string, BuiltFile>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const built = new Map<string, BuiltFile>();
  for (const entry of entries) {
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/");
    const type = TYPES[extname(path)];
    // What begins with a dot, or is of no type that a page loads, is the builder's.
    if (!entry.isFile() || type === undefined || path.split("/").some((part) => part.startsWith("."))) {
      continue;
    }
    const plain = await readFile(join(folder, path));
    built.set(path, {
      type,
      tag: `"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`,
      // The names of these change with their content.
      cache: path.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache",
      plain,
      compressed: /^(text|application)\/|svg/.test(type) ? await compress(plain, { level: 9 }) : undefined,
    });
  }
  return built;
}
