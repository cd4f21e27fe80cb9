import { assertEquals } from "@std/assert";
import { PROBE_FILE } from "./process.ts";

const MODULE = new URL("./process.ts", import.meta.url).href;
const PRINT = `
  const { clientsThatFit, hasNoFreeDescriptors } = await import("${MODULE}");
  console.log(String([clientsThatFit(100), clientsThatFit(1_000_000), hasNoFreeDescriptors()]));
`;

/** Prints what a process with these permissions and this limit of open files finds. */
function found(permissions: readonly string[], limit: number): readonly string[] {
  const script = `ulimit -n ${limit}; exec "$@"`;
  const program = [Deno.execPath(), "run", "--quiet", "--no-check", "--no-prompt", ...permissions];
  const directory = Deno.makeTempDirSync();
  try {
    Deno.writeTextFileSync(`${directory}/print.ts`, PRINT);
    const { stdout } = new Deno.Command("bash", {
      args: ["-c", script, "bash", ...program, `${directory}/print.ts`],
    }).outputSync();
    return new TextDecoder().decode(stdout).trim().split(",");
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test("as many clients fit as there are free descriptors, or all that are wanted", () => {
  const [wanted, all, isOut] = found([`--allow-read=${PROBE_FILE}`], 300);
  assertEquals([wanted, Number(all) > 200 && Number(all) < 300, isOut], [
    "Infinity",
    true,
    "false",
  ]);
});

Deno.test("a process that may not look is not out of descriptors", () => {
  assertEquals(found([], 300), ["Infinity", "Infinity", "false"]);
});
