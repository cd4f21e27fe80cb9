/** `openLoop` with the options given as JSON; prints its report as JSON. */
import { endWithStdin } from "./end_with_stdin.ts";
import { openLoop } from "./open_loop.ts";

void endWithStdin();
console.log(JSON.stringify(await openLoop(JSON.parse(Deno.args[0] ?? ""))));
Deno.exit(0);
