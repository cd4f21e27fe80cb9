/**
 * Builds the web page from `src/web/app`, and writes it to `src/web/page.ts`, which is part of the
 * program. With `--check` it writes nothing, and fails unless `page.ts` holds exactly this build.
 *
 * Run it with `deno task web:build` or `deno task web:check`. It works on a copy in `dist/web`: so the
 * packages that only the build needs are neither in the source tree nor known to the program.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { PAGE } from "./page.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** What the build needs, from the project's root. */
const COPIED = [
  "src/ring/ring.ts",
  "src/ring/ring_id.ts",
  "src/web/app",
  "src/web/deno.json",
  "src/web/deno.lock",
  "src/web/tsconfig.json",
  "src/web/vite.config.ts",
];
const COPY = `${ROOT}dist/web`;

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** The files of the page by their path in the URL, in the order of the paths. */
async function buildPage(): Promise<ReadonlyMap<string, Uint8Array>> {
  for (const path of COPIED) {
    Deno.mkdirSync(`${COPY}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    if (path === "src/web/app") await removeIfThere(`${COPY}/${path}`);
    copy(`${ROOT}${path}`, `${COPY}/${path}`);
  }
  await run("install", "--quiet", "--frozen");
  await run("run", "--allow-all", "node_modules/vue-tsc/bin/vue-tsc.js", "--noEmit");
  await run("run", "--allow-all", "node_modules/vite/bin/vite.js", "build", "--logLevel", "error");
  const built = `${COPY}/src/web/built`;
  const files = pathsIn(built, "").map((path): [string, Uint8Array] => [
    path === "/index.html" ? "/" : path,
    Deno.readFileSync(built + path),
  ]);
  return new Map(files.sort(([one], [other]) => one < other ? -1 : 1));
}

async function run(...args: readonly string[]): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), { args: [...args], cwd: `${COPY}/src/web` });
  const { success } = await command.spawn().status;
  if (!success) throw new Error(`deno ${args.join(" ")} failed`);
}

function copy(from: string, to: string): void {
  if (!Deno.statSync(from).isDirectory) return Deno.copyFileSync(from, to);
  Deno.mkdirSync(to, { recursive: true });
  for (const { name } of Deno.readDirSync(from)) {
    if (!name.endsWith("_test.ts")) copy(`${from}/${name}`, `${to}/${name}`);
  }
}

async function removeIfThere(path: string): Promise<void> {
  try {
    await Deno.remove(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/** The paths of all files in a directory, each beginning with `/`. */
function pathsIn(directory: string, path: string): string[] {
  return [...Deno.readDirSync(directory + path)].flatMap(({ name, isDirectory }) =>
    isDirectory ? pathsIn(directory, `${path}/${name}`) : [`${path}/${name}`]
  );
}

/** The module that holds the files. */
function moduleOf(files: ReadonlyMap<string, Uint8Array>): string {
  const lines = [...files].map(([path, bytes]) => {
    const extension = path === "/" ? "html" : path.slice(path.lastIndexOf(".") + 1);
    const type = TYPES[extension];
    if (type === undefined) throw new Error(`Cannot serve ${path}: its type is unknown`);
    const etag = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    const gzip = Buffer.from(gzipSync(bytes, { level: 9 })).toString("base64");
    return `  ${JSON.stringify(path)}: ${JSON.stringify({ type, etag, gzip })},`;
  });
  return [
    "// Built by `deno task web:build` from src/web/app. A test proves that it is a fresh build.",
    "",
    "/** The files of the web page by path: media type, ETag, and content as gzip in base64. */",
    "export const PAGE: Readonly<",
    "  Record<string, { readonly type: string; readonly etag: string; readonly gzip: string }>",
    "> = {",
    ...lines,
    "};",
    "",
  ].join("\n");
}

/** A path whose content in `page.ts` is not the fresh one; `null` if there is none. */
function stalePath(fresh: ReadonlyMap<string, Uint8Array>): string | null {
  for (const path of new Set([...Object.keys(PAGE), ...fresh.keys()])) {
    const bytes = fresh.get(path);
    const file = PAGE[path];
    if (bytes === undefined || file === undefined) return path;
    // What gzip makes of the same bytes may differ from one version of its library to the next.
    if (!Buffer.from(bytes).equals(gunzipSync(Buffer.from(file.gzip, "base64")))) return path;
  }
  return null;
}

const files = await buildPage();
if (Deno.args.includes("--check")) {
  const stale = stalePath(files);
  if (stale !== null) {
    console.error(`src/web/page.ts is not a fresh build (${stale}): run deno task web:build`);
    Deno.exit(1);
  }
} else {
  const module = moduleOf(files);
  await Deno.writeTextFile(`${ROOT}src/web/page.ts`, module);
  const plain = [...files.values()].reduce((sum, { length }) => sum + length, 0);
  console.log(`${files.size} files, ${plain} bytes; src/web/page.ts has ${module.length} bytes`);
}
