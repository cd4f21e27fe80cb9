import { type Block, blocksOf } from "./blocks.ts";
import { readExecuted } from "./coverage.ts";
import type { Kept } from "./kept.ts";

export interface Place extends Block {
  /** From the project's root. */
  readonly file: string;
}

export interface Coverage {
  readonly blockCount: number;
  readonly executed: readonly Place[];
  /** Without those inside of others. */
  readonly unexecuted: readonly Place[];
}

/** @param files below the root @param directory filled by `deno test --coverage` */
function coverageOf(root: string, files: readonly string[], directory: string): Coverage {
  const flags = readExecuted(directory, root, files);
  const executed: Place[] = [];
  const unexecuted: Place[] = [];
  let blockCount = 0;
  for (const file of files) {
    const blocks = blocksOf(Deno.readTextFileSync(`${root}/${file}`));
    const isExecuted = flags.get(file) ?? blocks.map(() => false);
    if (isExecuted.length !== blocks.length) {
      throw new RangeError(`Cannot read the coverage of ${file}: its JavaScript has other blocks`);
    }
    const missed = blocks.filter(({ code }, i) => !isExecuted[i] && code !== "");
    blockCount += blocks.length;
    executed.push(...blocks.filter((_, i) => isExecuted[i]).map((block) => ({ ...block, file })));
    unexecuted.push(
      ...missed.filter((block) => !missed.some((other) => isInside(block, other)))
        .map((block) => ({ ...block, file })),
    );
  }
  return { blockCount, executed, unexecuted };
}

function isInside(block: Block, other: Block): boolean {
  return block !== other && other.from <= block.from && block.to <= other.to;
}

/**
 * Runs tests with coverage.
 *
 * @param args of `deno test`
 * @param files below the root whose blocks are looked at
 * @throws {Error} when a test fails
 */
export async function measure(
  root: string,
  args: readonly string[],
  files: readonly string[],
): Promise<Coverage> {
  const directory = Deno.makeTempDirSync({ prefix: "regent-branches-" });
  try {
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["test", `--coverage=${directory}`, "--coverage-raw-data-only", "--no-check", ...args],
      cwd: root,
      stdout: "null",
      stderr: "inherit",
    }).output();
    if (!success) throw new Error(`Cannot measure coverage: deno test ${args.join(" ")} failed`);
    return coverageOf(root, files, directory);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

/** What is found and not kept, and what is kept and not found; as lines. */
export function complaints(found: readonly Place[], kept: readonly Kept[]): string[] {
  const isKeptBy = ({ file, code }: Kept, place: Place) =>
    file === place.file && (code === undefined || code === place.code);
  return [
    ...found.filter((place) => !kept.some((entry) => isKeptBy(entry, place))).map(lineOf),
    ...kept.filter((entry) => !found.some((place) => isKeptBy(entry, place)))
      .map(({ file, code = "every block" }) => `${file}: is kept for no reason any more: ${code}`),
  ];
}

export function lineOf({ file, line, code }: Place): string {
  return `${file}:${line}: ${code}`;
}
