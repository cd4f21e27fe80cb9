import { fileURLToPath } from "node:url";

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

interface Config {
  readonly tasks: Readonly<Record<string, { readonly command: string }>>;
}

const { tasks }: Config = JSON.parse(Deno.readTextFileSync(CONFIG));

/**
 * The permissions that Deno grants to `regent` with these arguments where people start it: those of
 * the task of the same name, or else those of the compiled binary. With more, a test would not see
 * what is missing.
 */
export function permissionsFor(args: readonly string[]): readonly string[] {
  const [name = ""] = args;
  const own = tasks[name]?.command;
  const command = own?.endsWith(` main.ts ${name}`) === true ? own : tasks["compile"]?.command;
  if (command === undefined) {
    throw new Error("Cannot find the permissions: deno.json has no task compile");
  }
  return command.split(" ").filter((word) => word.startsWith("--allow-"));
}
