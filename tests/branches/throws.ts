import { withWorkspaces, type Workspace } from "../mutants/workspace.ts";
import { blocksOf, instrumented } from "./blocks.ts";
import { type BlockVerdict, HUNG_EXIT_CODE, UNSOUND_EXIT_CODE } from "./throwing_tests.ts";
import { lineOf, type Place } from "./unexecuted.ts";

const SCRIPT = new URL("throwing_tests.ts", import.meta.url).pathname;
const SILENCE_SECONDS_MAX = 120;
const LIMITS = "--v8-flags=--max-old-space-size=1500";

export interface ThrowOptions {
  readonly root: string;
  /** From the root. */
  readonly files: readonly string[];
  readonly say: (line: string) => void;
}

export interface Throws {
  /** Blocks that the tests in their folder, or in one around it, execute. */
  readonly thrownCount: number;
  /** Those whose `throw` no test notices. */
  readonly unnoticed: readonly Place[];
}

/**
 * Puts a `throw` into each block that the tests in its folder, or in one around it, execute, one at
 * a time, and runs those tests.
 *
 * @throws {Error} when the tests fail without any `throw`
 */
export async function throwIntoBlocks({ root, files, say }: ThrowOptions): Promise<Throws> {
  let thrownCount = 0;
  const unnoticed: Place[] = [];
  const folders = Map.groupBy(files, (file) => file.slice(0, file.lastIndexOf("/")));
  await withWorkspaces(root, 1, async ([workspace]) => {
    for (const [folder, inside] of folders) {
      const tests = testsAround(root, folder);
      if (workspace === undefined || tests.length === 0) continue;
      const { places, verdicts } = await judge(inside, tests, workspace);
      const thrown = verdicts.filter(({ isExecuted }) => isExecuted);
      const missed = thrown.filter(({ isNoticed }) => !isNoticed)
        .map(({ block }) => places[block] as Place).filter(({ code }) => code !== "");
      for (const place of missed) say(lineOf(place));
      say(
        `${folder}: ${thrown.length} throws in ${places.length} blocks, ${missed.length} unnoticed`,
      );
      thrownCount += thrown.length;
      unnoticed.push(...missed);
    }
  });
  return { thrownCount, unnoticed };
}

async function judge(files: readonly string[], tests: readonly string[], workspace: Workspace) {
  const places: Place[] = [];
  const changes = files.map((file) => {
    const first = places.length;
    const blocks = blocksOf(Deno.readTextFileSync(`${workspace.path}/${file}`));
    places.push(...blocks.map((block) => ({ ...block, file })));
    return { file, change: (text: string) => instrumented(text, first) };
  });
  const record = Deno.makeTempFileSync({ prefix: "regent-branches-" });
  try {
    const verdicts = await workspace.changed(changes, async () => {
      const verdicts: BlockVerdict[] = [];
      while (verdicts.length < places.length) {
        const block = verdicts.length;
        const args = [record, `${block}`, `${places.length}`, ...tests];
        const code = await run(workspace, args, (verdict) => verdicts.push(verdict));
        if (code === UNSOUND_EXIT_CODE) {
          throw new Error(
            `Cannot put in a throw: without one these tests fail: ${tests.join(" ")}`,
          );
        }
        // A process that died in the middle of a block, or had to be killed, has noticed it.
        if (verdicts.length < places.length && code !== HUNG_EXIT_CODE) {
          verdicts.push({ block: verdicts.length, isExecuted: true, isNoticed: true });
        }
      }
      return verdicts;
    });
    return { places, verdicts };
  } finally {
    Deno.removeSync(record);
  }
}

/** @returns the exit code */
async function run(
  workspace: Workspace,
  args: readonly string[],
  onVerdict: (verdict: BlockVerdict) => void,
): Promise<number> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--quiet", "--allow-all", LIMITS, SCRIPT, ...args],
    cwd: workspace.path,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const watch = () => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill("SIGKILL"), SILENCE_SECONDS_MAX * 1_000);
  };
  watch();
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (text + chunk).split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) onVerdict(JSON.parse(line));
    watch();
  }
  clearTimeout(timer);
  return (await child.status).code;
}

/** The test files in a folder, and in those around it below `src`. */
function testsAround(root: string, folder: string): string[] {
  const above = folder.slice(0, folder.lastIndexOf("/"));
  const around = above.includes("/") ? testsAround(root, above) : [];
  const names = [...Deno.readDirSync(`${root}/${folder}`)].map(({ name }) => name).sort();
  const own = names.filter((name) => name.endsWith("_test.ts")).map((name) => `${folder}/${name}`);
  return [...own, ...around];
}
