import { assertEquals, assertStringIncludes } from "@std/assert";
import { addressList, bytes, integer, optional, port, text, toggle } from "./flags.ts";
import { subcommand, subcommandHelp } from "./subcommand.ts";

const HELP = `Usage: regent dance [flags]

Moves.

Flags:
  --steps N
      How many (default 3)  [REGENT_STEPS]
  --with HOST:PORT,…
      Whom (default 127.0.0.1:7000,[::1]:7001)  [REGENT_WITH]
  --room HOST:PORT,…
      Where (required)  [REGENT_ROOM]
  --space-bytes BYTES
      How much (default 64m)  [REGENT_SPACE_BYTES]
  --odd-bytes BYTES
      How much (default 1025)  [REGENT_ODD_BYTES]
  --door PORT
      Which  [REGENT_DOOR]
  --tune DIR
      What  [REGENT_TUNE]
  --encore
      Again  [REGENT_ENCORE]
  --help
      Show this text

Examples:
  regent dance`;

Deno.test("help tells each flag, its default in words, and its variable", () => {
  const dance = subcommand({
    name: "dance",
    summary: "moves",
    description: "Moves.",
    flags: {
      steps: integer("N", { help: "How many", fallback: 3, min: 1, max: 9 }),
      with: addressList({
        help: "Whom",
        fallback: [{ host: "127.0.0.1", port: 7000 }, { host: "::1", port: 7001 }],
      }),
      room: addressList({ help: "Where" }),
      spaceBytes: bytes({ help: "How much", fallback: 64 * 1024 ** 2, min: 1, max: 1024 ** 3 }),
      oddBytes: bytes({ help: "How much", fallback: 1025, min: 1, max: 1024 ** 3 }),
      door: optional(port({ help: "Which" })),
      tune: { ...text("DIR", { help: "What", fallback: "" }), fallback: new Map() },
      encore: toggle({ help: "Again" }),
    },
    examples: ["regent dance"],
    run: () => Promise.resolve(0),
  });
  assertEquals(subcommandHelp(dance), HELP);
});

Deno.test("long help is broken into lines", () => {
  const flags = { steps: integer("N", { help: "many words ".repeat(20).trim(), min: 1, max: 9 }) };
  const run = () => Promise.resolve(0);
  const help = subcommandHelp(
    subcommand({ name: "dance", summary: "", description: "", flags, examples: [], run }),
  );
  assertEquals(help.split("\n").filter((line) => line.length > 90), []);
  assertStringIncludes(help.replace(/\n +/g, " "), "many words many words (required)");
});
