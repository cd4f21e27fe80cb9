/** Prints its pauses while it runs `regent` with its arguments. Without arguments it is idle. */
import { main } from "../../src/cli/main.ts";
import { watchPauses } from "./pauses.ts";
import { endWithStdin } from "./processes.ts";

watchPauses();
if (Deno.args.length === 0) await endWithStdin();
Deno.exit(await main(Deno.args, (name) => Deno.env.get(name)));
