/**
 * Finds blocks of `src` that no unit test executes or, with `--throw`, whose failure no test in
 * their folder notices. The exit code is 1 if a block is found that `tests/branches/kept.ts` does
 * not list with a reason.
 *
 * deno task branches [--throw] [--only PATH]
 */
import project from "../deno.json" with { type: "json" };
import { UserError } from "../src/base/errors.ts";
import { text, toggle, type Values } from "../src/cli/flags.ts";
import { NOT_EXECUTED, NOT_NOTICED } from "../tests/branches/kept.ts";
import { throwIntoBlocks } from "../tests/branches/throws.ts";
import { complaints, measure } from "../tests/branches/unexecuted.ts";
import { readSources } from "../tests/support/sources.ts";
import { runTask } from "./run_task.ts";

const flags = {
  throw: toggle({
    help: "Put a throw into each block, one at a time, and run the tests in its folder",
  }),
  only: text("PATH", {
    help: "Look only at files whose path starts with this",
    defaultValue: "src/",
  }),
};

const ROOT = new URL("..", import.meta.url).pathname.replace(/\/$/, "");

async function run({ throw: isThrowing, only }: Values<typeof flags>): Promise<number> {
  const files = readSources("src").map(({ path }) => path)
    .filter((path) => path.startsWith(only) && !path.endsWith("_test.ts"))
    .filter((path) => !path.startsWith("src/web/")); // tested in a browser
  if (files.length === 0) throw new UserError(`Cannot find a file: no path starts with ${only}`);
  const found = isThrowing ? await unnoticedIn(files) : await unexecutedIn(files);
  const kept = (isThrowing ? NOT_NOTICED : NOT_EXECUTED).filter(({ file }) => files.includes(file));
  const lines = complaints(found, kept);
  for (const line of lines) console.log(line);
  console.log(
    `${found.length} found, ${lines.length} of them not listed in tests/branches/kept.ts`,
  );
  return lines.length > 0 ? 1 : 0;
}

async function unnoticedIn(files: readonly string[]) {
  const { thrownCount, unnoticed } = await throwIntoBlocks({ root: ROOT, files, say: console.log });
  console.log(`${thrownCount} throws`);
  return unnoticed;
}

async function unexecutedIn(files: readonly string[]) {
  const [, ...args] = project.tasks["test:unit"].command.replace(/^deno /, "").split(" ");
  const { blockCount, executed, unexecuted } = await measure(ROOT, args, files);
  console.log(`${blockCount} blocks, ${executed.length} of them executed`);
  return unexecuted;
}

await runTask({
  name: "branches",
  about: "Finds blocks that no test executes, or whose failure no test notices.",
  flags,
  run,
});
