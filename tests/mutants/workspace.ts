import { type Mutant, mutate } from "./mutant.ts";

/** The parts of the project that tests need. */
const COPIED = ["src", "tests", "scripts", "main.ts", "deno.json", "node_modules"];

/** A copy of the project in a directory of its own: mutants never touch the work tree. */
export class Workspace {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** @param root the project, or another workspace */
  static create(root: string): Workspace {
    const path = Deno.makeTempDirSync({ prefix: "regent-mutants-" });
    for (const name of COPIED) copy(`${root}/${name}`, `${path}/${name}`);
    return new Workspace(path);
  }

  /** Runs with the mutants in the code, and removes them afterwards. */
  async with<T>(mutants: readonly Mutant[], run: () => Promise<T>): Promise<T> {
    const originals = new Map<string, string>();
    try {
      for (const mutant of mutants) {
        const path = `${this.path}/${mutant.file}`;
        const text = Deno.readTextFileSync(path);
        if (!originals.has(path)) originals.set(path, text);
        Deno.writeTextFileSync(path, mutate(mutant, text));
      }
      return await run();
    } finally {
      for (const [path, text] of originals) Deno.writeTextFileSync(path, text);
    }
  }

  remove(): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

function copy(from: string, to: string): void {
  const info = lstat(from);
  if (info === null) return;
  if (info.isSymlink) Deno.symlinkSync(Deno.readLinkSync(from), to);
  else if (!info.isDirectory) Deno.copyFileSync(from, to);
  else {
    Deno.mkdirSync(to);
    for (const { name } of Deno.readDirSync(from)) copy(`${from}/${name}`, `${to}/${name}`);
  }
}

function lstat(path: string): Deno.FileInfo | null {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null; // not every checkout has all of it
    throw error;
  }
}
