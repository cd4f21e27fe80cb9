import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import * as util from "node:util";
import { gunzipSync } from "node:zlib";
import { PAGE } from "./page.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

function textOf(path: string): string {
  return gunzipSync(Buffer.from(PAGE[path]?.gzip ?? "", "base64")).toString();
}

Deno.test({
  name: "the page in the program is what its sources give, and their types are right",
  ignore: !("parseEnv" in util), // Vite needs it: Deno 2.6 has none
  async fn() {
    const { success, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["task", "--quiet", "web:check"],
      cwd: ROOT,
      env: { NO_COLOR: "1" },
    }).output();
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
    assert(success, text(stdout) + text(stderr));
  },
});

Deno.test("the document names files that exist, and no other host", () => {
  const document = textOf("/");
  const named = [...document.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, path = ""]) => path);
  assert(named.length >= 3, document);
  for (const path of named) assert(path in PAGE, path);
  for (const path of Object.keys(PAGE)) {
    const hosts = [...textOf(path).matchAll(/https?:\/\/[\w.-]+/g)].map(([url]) => url);
    // Vue names pages of its documentation in errors; XML namespaces are no requests.
    const foreign = hosts.filter((url) => !/vuejs\.org|www\.w3\.org/.test(url));
    assertEquals(foreign, [], path);
  }
});

Deno.test("nothing in the document needs inline scripts or styles", () => {
  assertEquals(/<style|<script(?![^>]* src=)|\sstyle=|\son\w+=/i.exec(textOf("/")), null);
});

Deno.test("ETags change with the content", () => {
  for (const [path, { etag }] of Object.entries(PAGE)) {
    const hash = createHash("sha256").update(textOf(path)).digest("hex");
    assertEquals(etag, hash.slice(0, 16), path);
  }
});
