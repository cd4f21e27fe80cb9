/** A source file of the project. */
export interface Source {
  /** From the project's root, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** All TypeScript files below a folder of the project, in order of their paths. */
export function readSources(folder: string): Source[] {
  const root = new URL("../../", import.meta.url);
  const sources: Source[] = [];
  const visit = (path: string): void => {
    for (const item of Deno.readDirSync(new URL(`${path}/`, root))) {
      const child = `${path}/${item.name}`;
      if (item.isDirectory) visit(child);
      else if (item.name.endsWith(".ts")) {
        sources.push({ path: child, text: Deno.readTextFileSync(new URL(child, root)) });
      }
    }
  };
  visit(folder);
  return sources.sort((a, b) => (a.path < b.path ? -1 : 1));
}
