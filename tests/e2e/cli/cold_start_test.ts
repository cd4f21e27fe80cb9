import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { withTemporaryDirectory } from "../../support/temporary_directory.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

/** The parts of the program besides its own source. */
const PACKAGES = [
  "@borewit",
  "@noble",
  "@tokenizer",
  "asn1js",
  "bytestreamjs",
  "commander",
  "content-type",
  "debug",
  "file-type",
  "hono",
  "ieee754",
  "media-typer",
  "mime",
  "ms",
  "music-metadata",
  "pkijs",
  "pvtsutils",
  "pvutils",
  "sorted-btree",
  "strtok3",
  "token-types",
  "tslib",
  "uint8array-extras",
  "win-guid",
];

/** A proxy that does not exist: nothing can be downloaded through it. */
const OFFLINE = { HTTP_PROXY: "http://127.0.0.1:1/", HTTPS_PROXY: "http://127.0.0.1:1/" };

Deno.test("the README's first command downloads nothing that only tests use", async () => {
  await withTemporaryDirectory(async (directory) => {
    // `deno task` installs what deno.json and the lock file beside it name, whatever the task runs.
    const { npmCache } = JSON.parse((await deno(["info", "--json"])).stdout);
    const packages = installedIn(npmCache).filter((path) => PACKAGES.includes(nameOf(path)));
    for (const path of packages) await copy(`${npmCache}/${path}`, `${directory}/npm/${path}`);
    const task = ["task", "status", "--nodes", "127.0.0.1:1"];
    const { stderr } = await deno(task, { ...OFFLINE, DENO_DIR: directory });
    assertStringIncludes(stderr, "regent: Cannot reach the cluster");
    assertEquals(stderr.match(/Download .*/g), null);
    assertEquals(installedIn(`${directory}/npm`), packages);
  });
});

Deno.test("version and help need no permission", async () => {
  for (const line of ["main.ts version", "main.ts node --help", "scripts/sim.ts --help"]) {
    const run = ["run", "--quiet", "--no-prompt", ...line.split(" ")];
    // With NO_COLOR set, nothing reads other variables of that kind.
    const { code, stdout, stderr } = await deno(run, { NO_COLOR: "" });
    assertEquals([code, stderr], [0, ""], line);
    assert(stdout.length > 10, stdout);
  }
});

async function deno(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: ROOT,
    env: { NO_COLOR: "1", ...env },
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: text(stdout), stderr: text(stderr) };
}

/** Packages as `REGISTRY/NAME`. */
function installedIn(npmCache: string): string[] {
  const namesIn = (path: string) => [...Deno.readDirSync(path)].map(({ name }) => name);
  return namesIn(npmCache).flatMap((registry) =>
    namesIn(`${npmCache}/${registry}`).map((name) => `${registry}/${name}`)
  );
}

function nameOf(path: string): string {
  return path.slice(path.indexOf("/") + 1);
}

async function copy(from: string, to: string): Promise<void> {
  Deno.mkdirSync(to, { recursive: true });
  const { success } = await new Deno.Command("cp", { args: ["-r", `${from}/.`, to] }).output();
  assert(success, from);
}
