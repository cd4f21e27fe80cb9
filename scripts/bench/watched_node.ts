/** `regent` with the arguments given, as its own program runs it, and its pauses on standard output. */
import { main } from "../../src/cli/main.ts";
import { watchPauses } from "./pauses.ts";

watchPauses();
Deno.exit(await main(Deno.args, (name) => Deno.env.get(name)));
