import { type Block, blocksOf } from "./blocks.ts";

/** What V8 writes for each module of a test file. */
interface Profile {
  readonly url: string;
  readonly functions: readonly {
    readonly ranges: readonly {
      readonly startOffset: number;
      readonly endOffset: number;
      readonly count: number;
    }[];
  }[];
}

/** Which blocks of a file were executed, in the order of `blocksOf()`. */
export type Executed = ReadonlyMap<string, readonly boolean[]>;

/**
 * Reads the directory that `deno test --coverage=DIRECTORY` has filled.
 *
 * @param root the project, absolute
 * @param paths of source files below the root; those that no test has loaded are missing in the result
 */
export function readExecuted(directory: string, root: string, paths: readonly string[]): Executed {
  const executed = new Map<string, boolean[]>();
  const modules = new Map(paths.map((path) => [`file://${root}/${path}`, path]));
  const emitted = new Map<string, { readonly blocks: readonly Block[]; readonly length: number }>();
  for (const { name } of Deno.readDirSync(directory)) {
    if (!name.endsWith(".json")) continue;
    const profile: Profile = JSON.parse(Deno.readTextFileSync(`${directory}/${name}`));
    const path = modules.get(profile.url);
    if (path === undefined) continue;
    let script = emitted.get(path);
    if (script === undefined) {
      const text = emittedText(`${root}/${path}`);
      emitted.set(path, script = { blocks: blocksOf(text), length: text.length });
    }
    const counts = countsAt(profile, script.length);
    const before = executed.get(path);
    executed.set(path, script.blocks.map(({ from }, i) => counts[from] !== 0 || !!before?.[i]));
  }
  return executed;
}

/** How often each character was executed, at least whether: inner ranges come after outer ones. */
function countsAt({ functions }: Profile, length: number): Float64Array {
  const counts = new Float64Array(length);
  for (const { ranges } of functions) {
    for (const { startOffset, endOffset, count } of ranges) {
      counts.fill(count, startOffset, endOffset);
    }
  }
  return counts;
}

/** The JavaScript that Deno has made of a file: the offsets of V8 are positions in it. */
function emittedText(path: string): string {
  return Deno.readTextFileSync(`${cacheDirectory()}/file${path}.js`);
}

let cache: string | null = null;

function cacheDirectory(): string {
  if (cache === null) {
    const { stdout } = new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).outputSync();
    cache = (JSON.parse(new TextDecoder().decode(stdout)) as { typescriptCache: string })
      .typescriptCache;
  }
  return cache;
}
