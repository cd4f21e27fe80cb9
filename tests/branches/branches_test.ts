import { assertEquals, assertRejects } from "@std/assert";
import { blocksOf, instrumented } from "./blocks.ts";
import { NOT_EXECUTED, NOT_NOTICED } from "./kept.ts";
import { throwIntoBlocks } from "./throws.ts";
import { complaints, lineOf, measure } from "./unexecuted.ts";

const CODE = `
export function sign(number: number, name?: string): string {
  if (number < 0) return name ?? unnamed();
  for (const digit of String(number)) {
    if (digit === "7") break;
    if (digit === "8") {
      continue;
    }
  }
  try {
    log(number > 0 ? "more" : "none");
  } catch {
    return "never";
  }
  return number > 0 && name !== undefined ? "+" : "0";
}

const unnamed = () => "-";

function log(_text: string): void {
  swallow(() => {
    const lines = [_text];
    lines.sort();
  });
}

function swallow(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
  }
}
`;

const TEST = `
import { sign } from "./code.ts";

Deno.test("signs", () => {
  for (const [number, text] of [[-1, "-"], [1, "0"], [70, "0"]] as const) {
    if (sign(number) !== text) throw new Error(text);
  }
});
`;

async function withProject(run: (root: string) => Promise<void>): Promise<void> {
  const root = Deno.makeTempDirSync({ prefix: "regent-branches-" });
  try {
    Deno.mkdirSync(`${root}/src`);
    Deno.writeTextFileSync(`${root}/src/code.ts`, CODE);
    Deno.writeTextFileSync(`${root}/src/code_test.ts`, TEST);
    await run(root);
  } finally {
    Deno.removeSync(root, { recursive: true });
  }
}

Deno.test("blocks that no test executes are found, without those inside of them", async () => {
  await withProject(async (root) => {
    const { unexecuted } = await measure(root, ["--quiet", "src"], ["src/code.ts"]);
    const lines = unexecuted.map(lineOf);
    assertEquals(lines, [
      "src/code.ts:7: continue;",
      'src/code.ts:11: "none"',
      'src/code.ts:13: return "never";',
      'src/code.ts:15: "+"',
      "src/code.ts:31: if (!(error instanceof Error)) throw error;",
    ]);
    const kept = { file: "src/code.ts", reason: "for this test" };
    assertEquals(complaints(unexecuted, [kept]), []);
    assertEquals(complaints(unexecuted, [{ ...kept, code: '"+"' }]).length, lines.length - 1);
    assertEquals(complaints([], [{ ...kept, code: "gone();" }]), [
      "src/code.ts: is kept for no reason any more: gone();",
    ]);
  });
});

Deno.test("a throw that nobody notices is found", async () => {
  await withProject(async (root) => {
    const said: string[] = [];
    const say = (line: string) => said.push(line);
    const { unnoticed } = await throwIntoBlocks({ root, files: ["src/code.ts"], say });
    assertEquals(unnoticed.map(lineOf), ["src/code.ts:22: const lines = [_text];"]);
    Deno.writeTextFileSync(`${root}/src/code_test.ts`, `Deno.test("no", () => { throw 1; });`);
    await assertRejects(
      () => throwIntoBlocks({ root, files: ["src/code.ts"], say }),
      Error,
      "fail",
    );
  });
});

Deno.test("each block calls with its number, and lines stay where they are", () => {
  const text = "const f = (x?: number) =>\n  x ?? g() ? 1 : h((y) => { return y; });\n";
  assertEquals(
    instrumented(text, 7),
    "const f = (x?: number) =>\n  (regentBlock(7),x ?? (regentBlock(10),g()) ? (regentBlock(8),1) " +
      ": (regentBlock(9),h((y) => {regentBlock(11); return y; })));\n",
  );
});

Deno.test("what is kept for a reason is still there", () => {
  const root = new URL("../../", import.meta.url);
  const isGone = ({ file, code }: { readonly file: string; readonly code?: string }) =>
    !blocksOf(Deno.readTextFileSync(new URL(file, root)))
      .some((block) => code === undefined || code === block.code);
  assertEquals([...NOT_EXECUTED, ...NOT_NOTICED].filter(isGone), []);
});
