import jsxA11y from "eslint-plugin-jsx-a11y";
import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

export default tseslint.config(
  { ignores: ["dist", "node_modules", "app/api/schema.d.ts"] },
  ...tseslint.configs.strictTypeChecked.map((c) => ({ ...c, files: ["app/**/*.{ts,tsx}"] })),
  {
    files: ["app/**/*.{ts,tsx}"],
    ...jsxA11y.flatConfigs.strict,
  },
  {
    files: ["app/**/*.{ts,tsx}"],
    plugins: { "react-hooks": reactHooks },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      ...reactHooks.configs.recommended.rules,
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/switch-exhaustiveness-check": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: false }],
      "@typescript-eslint/only-throw-error": "off",
      "no-console": "error",
      // All wording is in app/text.
      "no-restricted-syntax": [
        "error",
        { selector: "CallExpression[callee.property.name='mutate'][arguments.length>1]", message: "callbacks of mutate() are lost with the component: after(x.mutateAsync(…), …)" },
        { selector: "JSXText[value=/[A-Za-z]{2,}/]", message: "wording belongs to app/text" },
        { selector: "JSXAttribute[name.name=/^(aria-label|title|placeholder|alt|label|hint)$/] > Literal", message: "wording belongs to app/text" },
      ],
    },
  },
);
