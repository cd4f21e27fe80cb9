const README = new URL("../../README.md", import.meta.url);

/** One command of the README, as a reader would type it. */
export interface ReadmeCommand {
  readonly command: string;
  /** The comment after it; empty when there is none. */
  readonly comment: string;
}

/** The README before its first heading of the second level, or the section of a heading. */
export function readmeSection(heading: string | null): string {
  const text = Deno.readTextFileSync(README);
  const sections = text.split(/^## /m);
  const section = heading === null
    ? sections[0]
    : sections.find((one) => one.startsWith(`${heading}\n`));
  if (section === undefined) throw new Error(`The README has no section ${heading}`);
  return section;
}

/**
 * All commands that a reader may type: the lines of `sh` blocks, and those after a `$` in others.
 */
export function readmeCommands(text = Deno.readTextFileSync(README)): ReadmeCommand[] {
  const blocks = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)];
  return blocks.flatMap(([, language, content = ""]) => {
    const lines = content.split("\n").filter((line) => line !== "");
    const typed = language === "sh"
      ? lines
      : lines.filter((line) => line.startsWith("$ ")).map((line) => line.slice(2));
    return typed.map((line) => {
      const [, command = line, comment = ""] = /^(.*?)\s+# (.*)$/.exec(line) ?? [];
      return { command, comment };
    });
  });
}
