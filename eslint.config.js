import tseslint from "typescript-eslint";

export default tseslint.config(
  {
    ignores: [
      "dist/",
      "coverage/",
      "node_modules/",
      ".mosaic/",
      ".cache/",
      ".services/",
      ".bench/",
      "web/src/api/introspection.d.ts",
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      "@typescript-eslint/consistent-type-definitions": ["error", "interface"],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      eqeqeq: ["error", "always", { null: "ignore" }],
      "max-lines": ["error", { max: 250, skipBlankLines: true, skipComments: true }],
      "no-console": "error",
      "no-restricted-syntax": [
        "error",
        { selector: "ExportDefaultDeclaration", message: "Named exports only: a thing has one name everywhere." },
        { selector: "ExportAllDeclaration", message: "No barrels: import from where a thing is." },
      ],
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            {
              regex: "^graphql(/|$)",
              message: "Through postgraphile/graphql: two copies of graphql do not know each other's schemas.",
            },
            { regex: "^(grafast|@dataplan/)", message: "Through postgraphile." },
          ],
        },
      ],
    },
  },
  { files: ["**/*.config.ts", "test/harness/global-setup.ts"], rules: { "no-restricted-syntax": "off" } },
  { files: ["scripts/**", "test/**"], rules: { "no-console": "off" } },
  {
    // What a test reads from a database or a response is what it asserts: the assertion is the check of its type.
    files: ["test/**"],
    rules: {
      "@typescript-eslint/explicit-module-boundary-types": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "max-lines": ["error", { max: 350, skipBlankLines: true, skipComments: true }],
    },
  },
);
