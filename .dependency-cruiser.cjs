/** Who may import whom. The folders are the stations of a request; a later station does not know an earlier one. */
module.exports = {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    { name: "no-orphans", severity: "error", from: { orphan: true, path: "^(src|cli)/" }, to: {} },
    {
      name: "src-imports-nothing-from-outside",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(cli|test|scripts|worker|web)/" },
    },
    {
      name: "the-command-does-not-import-tests-or-scripts",
      severity: "error",
      from: { path: "^cli/" },
      to: { path: "^(test|scripts|worker/tasks)/" },
    },
    {
      name: "jobs-call-functions-of-the-database-and-nothing-of-the-gateway",
      severity: "error",
      from: { path: "^worker/" },
      to: { path: "^(src|cli|test|scripts)/" },
    },
    {
      name: "the-command-leaves-requests-and-rows-to-src",
      severity: "error",
      from: { path: "^cli/" },
      to: { path: "^src/(verbs|graphile|admission|audit|enrollment)/" },
    },
    {
      name: "listeners-are-wired-by-the-gateway-alone",
      severity: "error",
      from: { path: "^(src|cli|scripts)/", pathNot: "^src/(gateway\\.ts$|serve-database\\.ts$|listeners/)" },
      to: { path: "^src/listeners/" },
    },
    {
      name: "nothing-imports-the-bench",
      severity: "error",
      from: { pathNot: "^bench/" },
      to: { path: "^bench/" },
    },
    {
      name: "pki-stands-alone",
      severity: "error",
      from: { path: "^src/pki/" },
      to: { path: "^src/", pathNot: "^src/(pki/|errors\\.ts$)" },
    },
    {
      name: "seal-stands-alone",
      severity: "error",
      from: { path: "^src/seal/" },
      to: { path: "^src/", pathNot: "^src/(seal/|errors\\.ts$|config/load\\.ts$)" },
    },
    {
      name: "pki-and-seal-need-two-packages-alone",
      severity: "error",
      from: { path: "^src/(pki|seal)/" },
      to: { path: "node_modules/", pathNot: "node_modules/(@types/)?(node|node-forge|zod)/" },
    },
    {
      name: "the-serving-side-does-not-know-the-calling-side",
      severity: "error",
      from: { path: "^src/(verbs|enrollment|admission|audit|listeners/(federation|public))" },
      to: { path: "^src/(client|source)/" },
    },
    {
      name: "the-calling-side-does-not-know-the-listeners-or-the-schema",
      severity: "error",
      from: { path: "^src/(client|source)/" },
      to: { path: "^src/(listeners|graphile|enrollment|admission|audit)/" },
    },
    {
      name: "the-client-does-not-know-verbs",
      severity: "error",
      from: { path: "^src/client/" },
      to: { path: "^src/verbs/" },
    },
    {
      name: "the-demo-is-for-the-command-and-for-tests",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/demo/" },
      to: { path: "^src/demo/" },
    },
    {
      name: "no-dev-dependencies-in-what-is-shipped",
      severity: "error",
      from: { path: "^(src|cli|worker)/" },
      to: { dependencyTypes: ["npm-dev"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "the-pages-know-the-gateway-by-its-schema-alone",
      severity: "error",
      from: { path: "^web/src/" },
      to: { path: "^(src|cli|worker|scripts|test)/" },
    },
    { name: "resolvable", severity: "error", from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "types", "default"] },
  },
};
