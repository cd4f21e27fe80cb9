/** What systems leave in folders for themselves. */
const JUNK = /^(\.DS_Store|\._.*|Thumbs\.db|desktop\.ini)$/;

/** The files in what was dropped, those in folders with their path as name. */
export async function droppedFiles(
  { items, files }: DataTransfer,
): Promise<{ name: string; file: File }[]> {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.every((entry) => entry === null)) {
    return [...files].map((file) => ({ name: file.name, file }));
  }
  const found = await Promise.all(
    entries.map((entry) => entry === null ? [] : filesIn(entry)),
  );
  return found.flat();
}

/** The files of an `<input type="file">`. */
export function chosenFiles(
  { files }: HTMLInputElement,
): { name: string; file: File }[] {
  return [...files ?? []].map((file) => ({
    name: file.webkitRelativePath || file.name,
    file,
  }));
}

async function filesIn(
  entry: FileSystemEntry,
): Promise<{ name: string; file: File }[]> {
  if (entry.isFile) {
    if (JUNK.test(entry.name)) return [];
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject)
    );
    return [{ name: entry.fullPath.replace(/^\//, ""), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: { name: string; file: File }[] = [];
  while (true) { // a reader gives a hundred entries at a time
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject)
    );
    if (entries.length === 0) return found;
    for (const inner of entries) found.push(...await filesIn(inner));
  }
}
