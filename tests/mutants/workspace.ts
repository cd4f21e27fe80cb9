import { type Mutant, mutate } from "./mutant.ts";

/** The parts of the project that tests need. */
const COPIED = ["src", "tests", "scripts", "main.ts", "deno.json", "node_modules"];

/** A change of one file, from the project's root. */
export interface Change {
  readonly file: string;
  readonly change: (text: string) => string;
}

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
  with<T>(mutants: readonly Mutant[], run: () => Promise<T>): Promise<T> {
    const changes = mutants.map((mutant) => ({
      file: mutant.file,
      change: (text: string) => mutate(mutant, text),
    }));
    return this.changed(changes, run);
  }

  /** Runs with the changes in the code, and removes them afterwards. */
  async changed<T>(changes: readonly Change[], run: () => Promise<T>): Promise<T> {
    const originals = new Map<string, string>();
    try {
      for (const { file, change } of changes) {
        const path = `${this.path}/${file}`;
        const text = Deno.readTextFileSync(path);
        if (!originals.has(path)) originals.set(path, text);
        Deno.writeTextFileSync(path, change(text));
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

/**
 * Does the work for each item, one at a time in each workspace.
 *
 * @returns the results in the order of the items
 */
export async function share<T, R>(
  items: readonly T[],
  workspaces: readonly Workspace[],
  work: (item: T, workspace: Workspace) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  await Promise.all(workspaces.map(async (workspace) => {
    while (next < items.length) {
      const at = next++;
      results[at] = await work(items[at] as T, workspace);
    }
  }));
  return results;
}

/** Lends several workspaces. */
export async function withWorkspaces<T>(
  root: string,
  count: number,
  run: (workspaces: readonly Workspace[]) => Promise<T>,
): Promise<T> {
  const workspaces: Workspace[] = [];
  try {
    while (workspaces.length < count) {
      workspaces.push(Workspace.create(workspaces[0]?.path ?? root));
    }
    return await run(workspaces);
  } finally {
    for (const workspace of workspaces) workspace.remove();
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
