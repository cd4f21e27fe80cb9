import type { Mutant } from "../mutant.ts";

const PERMISSION = "src/security/permission_test.ts";
const APPLY = "src/security/apply_rules_test.ts";
const CHECK = "src/security/check_rules_test.ts";
const RULE = "src/security/rule_test.ts";
const WORDS = "src/security/words_test.ts";
const ENCODING = "src/security/user_encoding_test.ts";
const VERIFIER = "src/security/verifier_test.ts";
const CATALOG = "src/commands/acl_catalog_test.ts";

/** Access control: who may do what. */
export const securityMutants: readonly Mutant[] = [
  {
    name: "acl-revoked-first-argument",
    bug: "a command that was taken away stays allowed with a first argument",
    file: "src/security/permission.ts",
    find: `    firstArguments.delete(name);
`,
    replace: "",
    killers: [PERMISSION],
  },
  {
    name: "acl-container-alone",
    bug: "a container's category does not take its subcommands away",
    file: "src/security/permission.ts",
    find: "for (const one of [name, ...subcommands.map((subcommand) => subcommand.name)]) {",
    replace:
      "for (const one of isAllowed ? [name, ...subcommands.map((sub) => sub.name)] : [name]) {",
    killers: [PERMISSION],
  },
  {
    name: "acl-rights-of-several",
    bug: "two patterns together allow what neither does",
    file: "src/security/name_matcher.ts",
    find: "if ((one.rights & rights) !== rights) continue;",
    replace: "if (rights !== 0 && (one.rights & rights) === 0) continue;",
    killers: [PERMISSION],
  },
  {
    name: "acl-selectors-mixed",
    bug: "one selector allows the command, another one the keys",
    file: "src/security/permission.ts",
    find: "const found = denialBy(selector, uses, budget);",
    replace: `const isAllowed = permission.selectors.some((one) => allowsCommand(one, request));
    const found = denialBy(isAllowed ? { ...selector, commands: null } : selector, uses, budget);`,
    killers: [PERMISSION],
  },
  {
    name: "acl-first-key-only",
    bug: "only the first key of a request is checked",
    file: "src/security/permission.ts",
    find: "return uses.findIndex(({ name, rights, isPrefix = false }) =>",
    replace: "return uses.slice(0, 1).findIndex(({ name, rights, isPrefix = false }) =>",
    killers: [PERMISSION],
  },
  {
    name: "acl-keys-open-files",
    bug: "a user who may use all keys may use all files",
    file: "src/security/permission.ts",
    find: "const file = files.isAll ? -1 :",
    replace: "const file = files.isAll || keys.isAll ? -1 :",
    killers: [PERMISSION],
  },
  {
    name: "acl-pattern-as-channel",
    bug: "one subscribes to a wide pattern that a narrow one matches",
    file: "src/security/permission.ts",
    find: "return isPattern ? channels.hasPattern(name) :",
    replace: "return isPattern && channels.hasPattern(name) ? true :",
    killers: [PERMISSION],
  },
  {
    name: "acl-unlimited-without-channels",
    bug: "a user without channels counts as one who may do everything",
    file: "src/security/permission.ts",
    find: "commands === null && keys.isAll && files.isAll && channels.isAll",
    replace: "commands === null && keys.isAll && files.isAll && channels !== null",
    killers: [PERMISSION],
  },
  {
    name: "acl-cost-without-a-bound",
    bug: "a long key against patterns with stars blocks the process",
    file: "src/security/name_matcher.ts",
    find: "const result = match.run(budget.stepsLeft);",
    replace: "const result = match.run(Infinity);",
    killers: [PERMISSION],
  },
  {
    name: "acl-older-rule-wins",
    bug: "an older rule for a command is kept behind the newer one",
    file: "src/security/apply_rules.ts",
    find: 'rules: [...others, `${isAllowed ? "+" : "-"}${name}`]',
    replace: 'rules: [`${isAllowed ? "+" : "-"}${name}`, ...others]',
    killers: [APPLY],
  },
  {
    name: "acl-reset-keeps-files",
    bug: "reset leaves the files to the user",
    file: "src/security/apply_rules.ts",
    find: 'return { ...newUser(user.name), sanitizing: "sanitize" };',
    replace: `return {
        ...newUser(user.name),
        sanitizing: "sanitize",
        root: { ...newUser(user.name).root, files: user.root.files },
      };`,
    killers: [APPLY],
  },
  {
    name: "acl-late-pattern-fails",
    bug: "a pattern that was checked before all keys were allowed takes them away",
    file: "src/security/apply_rules.ts",
    find: `  if (names.isAll) return names;
`,
    replace: "",
    killers: [APPLY],
  },
  {
    name: "acl-password-replicated",
    bug: "the digest of a password goes into the log",
    file: "src/security/check_rules.ts",
    find: "finished.push(formatRule(one));",
    replace: 'finished.push(formatRule("digest" in rule ? rule : one));',
    killers: [CHECK],
  },
  {
    name: "acl-nopass-stays",
    bug: "a user who gets a password needs none",
    file: "src/security/apply_rules.ts",
    find: `needsNoPassword: false,
        verifiers:`,
    replace: "verifiers:",
    killers: [CHECK],
  },
  {
    name: "acl-second-verifier-stays",
    bug: "a removed password is still right, as it has another verifier",
    file: "src/security/check_rules.ts",
    find: 'return present.map((verifier) => ({ kind: "remove-verifier", verifier }));',
    replace:
      'return present.slice(0, 1).map((verifier) => ({ kind: "remove-verifier", verifier }));',
    killers: [CHECK],
  },
  {
    name: "acl-password-in-error",
    bug: "an error repeats a password",
    file: "src/security/acl_error.ts",
    find: `  if (/^[<>]/.test(rule)) return \`\${rule.charAt(0)}***\`;
`,
    replace: "",
    killers: [CHECK],
  },
  {
    name: "acl-rule-injection",
    bug: "a first argument with a space is shown as two rules",
    file: "src/security/rule.ts",
    find: `  if (hasSpaces(text)) return SYNTAX_FAULT;
  return {`,
    replace: "  return {",
    killers: [RULE],
  },
  {
    name: "acl-no-rights",
    bug: "a pattern without rights is taken, which ended Redis when it was shown",
    file: "src/security/rule.ts",
    find: "!/^[rwf]+$/.test(letters)",
    replace: "!/^[rwf]*$/.test(letters)",
    killers: [RULE],
  },
  {
    name: "acl-quotes-lost",
    bug: "a pattern with a quote in a selector is shown so that nobody can read it",
    file: "src/security/words.ts",
    find: 'if (word !== "" && !/["\']|\\)$/.test(word)) return word;',
    replace: 'if (word !== "") return word;',
    killers: [WORDS],
  },
  {
    name: "acl-other-user-decoded",
    bug: "a snapshot with a rule that no user has is loaded",
    file: "src/security/user_encoding.ts",
    find: "return isSame ? user : null;",
    replace: "return isSame || encoded.length > 0 ? user : null;",
    killers: [ENCODING],
  },
  {
    name: "acl-costly-verifier",
    bug: "an imported verifier makes each log-in take seconds",
    file: "src/security/verifier.ts",
    find: "cost * blockSize * parallelization <= WORK_MAX",
    replace: "cost * blockSize * parallelization <= WORK_MAX * 1e9",
    killers: [VERIFIER],
  },
  {
    name: "acl-config-by-writers",
    bug: "who may write keys may set the configuration",
    file: "src/commands/categories.ts",
    find: 'const isAboutKeys = !flags.includes("admin") && group !== "cluster";',
    replace: 'const isAboutKeys = group !== "cluster";',
    killers: [CATALOG],
  },
];
