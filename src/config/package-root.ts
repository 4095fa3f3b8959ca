import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * The folder that holds `migrations/` and `sql/`: the project's root in development, the package's root once installed.
 * Found by walking up, because a bundler may move this module to another depth.
 */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "migrations", "committed"))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new Error("the package is incomplete: its migrations folder is missing");
    }
    folder = parent;
  }
  return folder;
}
