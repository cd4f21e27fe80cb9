import { assertEquals } from "@std/assert";
import { Script } from "../../tests/support/raft/script.ts";

const folder = new URL("./testdata/", import.meta.url);
const isUpdate = Deno.args.includes("--update");

// Each file is a script with what happens after each line, indented. After a wanted change:
// deno test --allow-read --allow-write src/raft/script_test.ts -- --update
for (const { name } of [...Deno.readDirSync(folder)].sort((a, b) => a.name < b.name ? -1 : 1)) {
  Deno.test(`script ${name}`, () => {
    const expected = Deno.readTextFileSync(new URL(name, folder));
    const actual = replay(expected);
    if (isUpdate) Deno.writeTextFileSync(new URL(name, folder), actual);
    else assertEquals(actual, expected);
  });
}

/** The commands and comments of a script, with the output that they give now. */
function replay(text: string): string {
  const script = new Script();
  const lines: string[] = [];
  for (const line of text.split("\n")) {
    if (line.startsWith("  ")) continue;
    lines.push(line);
    if (line === "" || line.startsWith("#")) continue;
    for (const output of script.run(line)) lines.push(`  ${output}`);
  }
  return lines.join("\n");
}
