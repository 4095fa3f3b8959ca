import { registerHooks } from "node:module";

// Starts a gateway in which admission, rate limit and audit cost nothing, to measure what they cost. The gateway has no such option, and is not to have one:
// two of its modules are replaced as they are loaded, here and nowhere else.
//   node --import ./bench/unguarded/register.ts cli/main.ts serve …
const REPLACED = new Map(
  ["admission/admit.ts", "audit/queue.ts"].map((module) => [
    new URL(`../../src/${module}`, import.meta.url).href,
    new URL(`./${module.replace(/.*\//, "")}`, import.meta.url).href,
  ]),
);

registerHooks({
  resolve: (specifier, context, next) => {
    const resolved = next(specifier, context);
    const instead = REPLACED.get(resolved.url);
    return instead === undefined || context.parentURL === instead ? resolved : { ...resolved, url: instead };
  },
});
