import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Whether the openssl command is there. Throws where services are required and it is not. */
export function hasOpenssl(): boolean {
  const found = spawnSync("openssl", ["version"]).status === 0;
  if (!found && process.env["MOSAIC_REQUIRE_SERVICES"] === "1") {
    throw new Error("the openssl command is required and is not installed");
  }
  if (!found) {
    console.warn("SKIPPED: there is no openssl command, so nothing was checked against OpenSSL");
  }
  return found;
}

/**
 * Runs openssl on files that it finds by name in its working directory.
 *
 * @returns exit status and everything printed
 */
export function openssl(args: string[], files: Record<string, string | Buffer>): { status: number; output: string } {
  const directory = mkdtempSync(join(tmpdir(), "mosaic-openssl-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(directory, name), content);
    }
    const { status, stdout, stderr } = spawnSync("openssl", args, { cwd: directory, encoding: "utf8" });
    return { status: status ?? -1, output: stdout + stderr };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** An RSA-signed request, which node:crypto alone cannot make. */
export function rsaCsr(): string {
  return execFileSync(
    "openssl",
    ["req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=rsa"],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );
}
