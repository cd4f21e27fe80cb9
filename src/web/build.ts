/**
 * Builds the web page from `src/web/app` and writes it to `src/web/page.ts`, which is part of the
 * program. With `--check` it writes nothing, and fails unless `page.ts` holds exactly this build.
 *
 * Run it with `deno task web:build`, or `deno task web:check`.
 */
import vue from "@vitejs/plugin-vue";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";

const path = (relative: string) =>
  fileURLToPath(new URL(relative, import.meta.url));
const PAGE = path("page.ts");

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

/** The files of the page by their path in the URL, in the order of the paths. */
async function buildPage(): Promise<Map<string, Uint8Array>> {
  const output = await build({
    root: path("app"),
    configFile: false,
    logLevel: "warn",
    mode: "production",
    plugins: [vue()],
    define: { __VUE_OPTIONS_API__: "false", __VUE_PROD_DEVTOOLS__: "false" },
    // The page draws the ring with the program's own placement code, which hashes with this module.
    resolve: { alias: { "node:crypto": path("app/cluster/sha256.ts") } },
    build: {
      write: false,
      target: "es2022",
      assetsInlineLimit: 0,
      cssCodeSplit: false,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
    },
  }) as Rolldown.RolldownOutput;
  const files = output.output.map((file): [string, Uint8Array] => {
    const content = file.type === "chunk" ? file.code : file.source;
    const bytes = typeof content === "string"
      ? new TextEncoder().encode(content)
      : content;
    return [file.fileName === "index.html" ? "/" : `/${file.fileName}`, bytes];
  });
  return new Map(files.sort(([one], [other]) => one < other ? -1 : 1));
}

/** The module that holds the files. */
function moduleOf(files: ReadonlyMap<string, Uint8Array>): string {
  const lines = [...files].map(([path, bytes]) => {
    const extension = path === "/"
      ? "html"
      : path.slice(path.lastIndexOf(".") + 1);
    const type = TYPES[extension];
    if (type === undefined) {
      throw new Error(`Cannot serve ${path}: its type is unknown`);
    }
    const etag = createHash("sha256").update(bytes).digest("hex").slice(0, 16);
    const gzip = Buffer.from(gzipSync(bytes, { level: 9 })).toString("base64");
    return `  ${JSON.stringify(path)}: ${
      JSON.stringify({ type, etag, gzip })
    },`;
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

/** A path of a file whose committed content is not what the sources give; `null` if there is none. */
async function staleFile(
  fresh: ReadonlyMap<string, Uint8Array>,
): Promise<string | null> {
  const { PAGE: kept } = await import("./page.ts");
  for (const path of new Set([...Object.keys(kept), ...fresh.keys()])) {
    const bytes = fresh.get(path);
    const file = kept[path];
    if (bytes === undefined || file === undefined) return path;
    // What gzip makes of the same bytes may differ from one version of its library to the next.
    if (
      !Buffer.from(bytes).equals(gunzipSync(Buffer.from(file.gzip, "base64")))
    ) return path;
  }
  return null;
}

const files = await buildPage();
if (Deno.args.includes("--check")) {
  const stale = await staleFile(files);
  if (stale !== null) {
    console.error(
      `src/web/page.ts is not a fresh build (${stale}): run deno task web:build`,
    );
    Deno.exit(1);
  }
} else {
  const module = moduleOf(files);
  await Deno.writeTextFile(PAGE, module);
  const plain = [...files.values()].reduce(
    (sum, { length }) => sum + length,
    0,
  );
  console.log(
    `${files.size} files, ${plain} bytes; src/web/page.ts has ${module.length} bytes`,
  );
}
