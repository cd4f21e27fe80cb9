import { assertEquals } from "@std/assert";
import ts from "typescript";
import { readSources, type Source } from "./support/sources.ts";

/** A folder imports only from folders after it in this list. */
const LAYERS = [
  "cli",
  "web",
  "http",
  "proxy",
  "server",
  "files",
  "faults",
  "node",
  "access",
  "platform",
  "commands",
  "store",
  "raft",
  "ring",
  "security",
  "resp",
  "base",
];

/** Sources that run in browsers: they have sockets of their own kind. */
const BROWSER = "src/web/app/";

/** Below `platform` the same inputs give the same outputs. */
const PURE = LAYERS.slice(LAYERS.indexOf("platform") + 1);

/** Modules and names that open sockets. Only `platform` uses them, so that TLS is one change. */
const SOCKET_MODULES = /^node:(net|tls|dgram|http|https|http2|dns)(\/|$)/;
const SOCKET_NAMES = new Set(["fetch", "WebSocket", "WebSocketStream", "EventSource"]);
const SOCKET_CALLS =
  /^Deno\s*\.\s*(connect|connectTls|startTls|listen|listenTls|listenDatagram|serve|connectQuic)$/;

/** Built-in modules and packages that only compute. */
const PURE_MODULES = ["node:buffer", "node:zlib", "sorted-btree"];
/** Built-in modules of which only some names only compute. */
const PURE_NAMES = new Map([["node:crypto", ["createHash"]]]);

const IMPURE_NAMES = new Set([
  "Deno",
  "Date",
  "performance",
  "process",
  "fetch",
  "crypto",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "Promise",
  "WebSocket",
  "Worker",
]);

function layerOf(path: string): string | null {
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? null;
}

function importsOf(source: Source): string[] {
  return ts.preProcessFile(source.text, true, true).importedFiles.map((file) => file.fileName);
}

function resolve(from: string, specifier: string): string {
  return new URL(specifier, `file:///${from}`).pathname.slice(1);
}

/** The imports that break the rule of one direction, as readable lines. */
function upwardImports(source: Source): string[] {
  const layer = layerOf(source.path);
  if (layer === null) return [];
  const rank = LAYERS.indexOf(layer);
  if (rank < 0) return [`${source.path}: the folder src/${layer} is not among the layers`];
  return importsOf(source)
    .filter((specifier) => specifier.startsWith("."))
    .map((specifier) => resolve(source.path, specifier))
    .filter((target) => target !== "deno.json")
    .filter((target) => {
      const targetLayer = layerOf(target);
      return targetLayer === null || LAYERS.indexOf(targetLayer) < rank;
    })
    .map((target) => `${source.path} imports ${target}`);
}

function impurities(source: Source): string[] {
  const imports = importsOf(source)
    .filter((specifier) => !specifier.startsWith(".") && !PURE_MODULES.includes(specifier))
    .filter((specifier) => !PURE_NAMES.has(specifier))
    .map((specifier) => `${source.path} imports ${specifier}`);
  const uses = usesOf(source, (node, report) => {
    if (node.kind === ts.SyntaxKind.AsyncKeyword) report(node, "async");
    if (ts.isAwaitExpression(node)) report(node, "await");
    for (const [module, pure] of PURE_NAMES) {
      if (!ts.isStringLiteral(node) || node.text !== module) continue;
      const isPure = ts.isImportDeclaration(node.parent) &&
        namesOf(node.parent).every((name) => pure.includes(name));
      if (!isPure) report(node, `more of ${module} than ${pure.join(", ")}`);
    }
    if (ts.isIdentifier(node) && isFreeName(node)) {
      if (IMPURE_NAMES.has(node.text)) report(node, node.text);
      if (node.text === "Math" && /^Math\s*\.\s*random\b/.test(node.parent.getText())) {
        report(node, "Math.random");
      }
    }
  });
  return [...imports, ...uses];
}

/** The names that an import takes from a module; `*` for the whole module. */
function namesOf({ importClause }: ts.ImportDeclaration): string[] {
  const bindings = importClause?.namedBindings;
  if (importClause?.name !== undefined || bindings === undefined) return ["*"];
  if (!ts.isNamedImports(bindings)) return ["*"];
  return bindings.elements.map(({ name, propertyName }) => (propertyName ?? name).getText());
}

/** The places where a file opens sockets itself. */
function socketUses(source: Source): string[] {
  const imports = importsOf(source)
    .filter((specifier) => SOCKET_MODULES.test(specifier))
    .map((specifier) => `${source.path} imports ${specifier}`);
  const uses = usesOf(source, (node, report) => {
    if (ts.isPropertyAccessExpression(node) && SOCKET_CALLS.test(node.getText())) {
      report(node, node.getText());
    }
    if (ts.isIdentifier(node) && isFreeName(node) && SOCKET_NAMES.has(node.text)) {
      report(node, node.text);
    }
  });
  return [...imports, ...uses];
}

type Report = (node: ts.Node, what: string) => void;

/** The findings of a check about the nodes of a file's syntax tree, each with its line. */
function usesOf(source: Source, check: (node: ts.Node, report: Report) => void): string[] {
  const found: string[] = [];
  const tree = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest, true);
  const report: Report = (node, what) => {
    const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    found.push(`${source.path}:${line} uses ${what}`);
  };
  const visit = (node: ts.Node): void => {
    check(node, report);
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Whether the name is not a property, a key or the name of a declaration's member. */
function isFreeName(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  return !ts.isPropertySignature(parent) && !ts.isPropertyDeclaration(parent) &&
    !ts.isMethodDeclaration(parent);
}

/** The files of the first circle of imports, each importing the next; `null` when there is none. */
function circleOf(sources: readonly Source[]): string[] | null {
  const targets = new Map(sources.map((source) => [
    source.path,
    importsOf(source)
      .filter((specifier) => specifier.startsWith("."))
      .map((specifier) => resolve(source.path, specifier)),
  ]));
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): string[] | null => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path];
    if (done.has(path)) return null;
    for (const target of targets.get(path) ?? []) {
      const circle = visit(target, [...trail, path]);
      if (circle !== null) return circle;
    }
    done.add(path);
    return null;
  };
  for (const path of targets.keys()) {
    const circle = visit(path, []);
    if (circle !== null) return circle;
  }
  return null;
}

/** The first import that stands before one with a smaller path; packages come before files. */
function unorderedImports(source: Source): string[] {
  const tree = ts.createSourceFile(source.path, source.text, ts.ScriptTarget.Latest);
  const paths = tree.statements.filter(ts.isImportDeclaration)
    .map(({ moduleSpecifier }) => (moduleSpecifier as ts.StringLiteral).text);
  const rank = (path: string) => `${path.startsWith(".") ? 1 : 0}${path}`;
  const at = paths.findIndex((path, i) => i > 0 && rank(path) < rank(paths[i - 1] ?? ""));
  return at < 0 ? [] : [`${source.path} imports ${paths[at]} after ${paths[at - 1]}`];
}

const isTest = (source: Source) => source.path.endsWith("_test.ts");

Deno.test("the layers are the existing folders, in the order of the README", () => {
  const root = new URL("../", import.meta.url);
  const folders = [...Deno.readDirSync(new URL("src/", root))].map(({ name }) => name);
  assertEquals(folders.sort(), LAYERS.toSorted());
  const drawn = [...Deno.readTextFileSync(new URL("README.md", root)).matchAll(/ src\/([a-z]+)/g)]
    .map(([, folder = ""]) => folder);
  const inOrder = LAYERS.filter((layer) => drawn.includes(layer));
  assertEquals(drawn.slice(0, inOrder.length), inOrder);
});

Deno.test("imports point down only", () => {
  const sources = readSources("src").filter((source) => !isTest(source));
  assertEquals(sources.flatMap(upwardImports), []);
});

for (const folder of LAYERS) {
  // Imports of types count as well.
  Deno.test(`no file of ${folder} imports itself through others`, () => {
    assertEquals(circleOf(readSources(`src/${folder}`)), null);
  });
}

Deno.test("the folders below platform are pure", () => {
  const sources = readSources("src").filter((source) =>
    !isTest(source) && PURE.includes(layerOf(source.path) ?? "")
  );
  assertEquals(sources.flatMap(impurities), []);
});

Deno.test("only platform opens sockets", () => {
  const sources = readSources("src").filter((source) =>
    !isTest(source) && layerOf(source.path) !== "platform" && !source.path.startsWith(BROWSER)
  );
  assertEquals(sources.flatMap(socketUses), []);
});

Deno.test("imports are in the order of their paths, packages first", () => {
  const sources = ["src", "tests", "scripts"].flatMap(readSources);
  assertEquals(sources.flatMap(unorderedImports), []);
});

Deno.test("no file of src has more than 500 lines", () => {
  const long = readSources("src").filter(({ text }) => text.trimEnd().split("\n").length > 500);
  assertEquals(long.map(({ path }) => path), []);
});

Deno.test("the checks find what they have to find", () => {
  const upward = { path: "src/raft/x.ts", text: `import { a } from "../node/a.ts";` };
  assertEquals(upwardImports(upward), ["src/raft/x.ts imports src/node/a.ts"]);
  const circle = [
    { path: "src/raft/a.ts", text: `import { b } from "./b.ts";` },
    { path: "src/raft/b.ts", text: `import type { C } from "./inner/c.ts";` },
    { path: "src/raft/inner/c.ts", text: `import { b } from "../b.ts";` },
  ];
  assertEquals(circleOf(circle), ["src/raft/b.ts", "src/raft/inner/c.ts", "src/raft/b.ts"]);
  assertEquals(circleOf(circle.slice(0, 2)), null);
  const impure = {
    path: "src/raft/x.ts",
    text: `import "node:net";\nconst a = Math.random();\nconst f = async () => await Date.now();`,
  };
  assertEquals(impurities(impure), [
    "src/raft/x.ts imports node:net",
    "src/raft/x.ts:2 uses Math.random",
    "src/raft/x.ts:3 uses async",
    "src/raft/x.ts:3 uses await",
    "src/raft/x.ts:3 uses Date",
  ]);
  const partly = [
    `import { createHash } from "node:crypto";`,
    `import { createHash as randomBytes } from "node:crypto";`,
    `import { createHash, randomBytes } from "node:crypto";`,
    `import { randomBytes as createHash } from "node:crypto";`,
    `import * as all from "node:crypto";`,
    `import all from "node:crypto";`,
    `export { randomBytes } from "node:crypto";`,
    `export * from "node:crypto";`,
    `import("node:crypto").then(({ randomBytes }) => randomBytes(8));`,
  ];
  assertEquals(
    partly.map((text) => impurities({ path: "src/raft/x.ts", text }).length),
    [0, 0, 1, 1, 1, 1, 1, 1, 1],
  );
  const open = {
    path: "src/cli/x.ts",
    text: `import net from "node:net";\nDeno.listen({ port });\nawait fetch(url);\nthing.fetch();`,
  };
  assertEquals(socketUses(open), [
    "src/cli/x.ts imports node:net",
    "src/cli/x.ts:2 uses Deno.listen",
    "src/cli/x.ts:3 uses fetch",
  ]);
  const unordered = {
    path: "src/cli/x.ts",
    text: `import net from "node:net";\nimport { a } from "./a.ts";\nimport { b } from "../b.ts";`,
  };
  assertEquals(unorderedImports(unordered), ["src/cli/x.ts imports ../b.ts after ./a.ts"]);
});
