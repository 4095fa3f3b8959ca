import { existsSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";

/** What to do about pages that are not there: a package has them, so that it is somebody who runs the gateway from its sources. */
export const NOT_BUILT = 'The pages are not built: run "npm run build:pages" in the folder of the sources.';

/** Where `npm run build:pages` puts them. */
export const builtPagesFolder = (): string => join(packageRoot(), "dist", "pages");

/** Whether there are pages in the folder. */
export const areBuilt = (folder: string): boolean => existsSync(join(folder, "index.html"));
