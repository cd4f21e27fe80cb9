/** A table that is printed line by line, so that long measurements show how far they are. */
export class MarkdownTable {
  constructor(...columns: readonly string[]) {
    console.log(`\n| ${columns.join(" | ")} |\n|${" --- |".repeat(columns.length)}`);
  }

  row(...cells: readonly (string | number)[]): void {
    console.log(`| ${cells.join(" | ")} |`);
  }
}
