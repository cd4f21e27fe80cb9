import { assertEquals, assertRejects, assertStringIncludes, fail } from "@std/assert";
import { commandFor, type Subcommand, subcommand } from "./command_line.ts";
import {
  addressList,
  bytes,
  integer,
  optional,
  port,
  text,
  toggle,
  typedOnly,
  UsageError,
  withShort,
} from "./flags.ts";

const HELP = `Usage: regent dance [flags]

Moves.

Flags:
  -s, --steps N        How many (default 3) [REGENT_STEPS]
  --with HOST:PORT,…   Whom (default 127.0.0.1:7000,[::1]:7001) [REGENT_WITH]
  --room HOST:PORT,…   Where (required) [REGENT_ROOM]
  --space-bytes BYTES  How much (default 64m) [REGENT_SPACE_BYTES]
  --odd-bytes BYTES    How much (default 1025) [REGENT_ODD_BYTES]
  --door PORT          Which [REGENT_DOOR]
  --tune DIR           What [REGENT_TUNE]
  --encore             Again [REGENT_ENCORE]
  --yes                Without asking
  -h, --help           Print this text

Examples:
  regent dance
`;

Deno.test("help shows each flag, its default in words, and its variable", () => {
  const dance = subcommand({
    name: "regent dance",
    summary: "moves",
    description: "Moves.",
    flags: {
      steps: withShort("s", integer("N", { help: "How many", defaultValue: 3, min: 1, max: 9 })),
      with: addressList({
        help: "Whom",
        defaultValue: [{ host: "127.0.0.1", port: 7000 }, { host: "::1", port: 7001 }],
      }),
      room: addressList({ help: "Where" }),
      spaceBytes: bytes({ help: "How much", defaultValue: 64 * 1024 ** 2, min: 1, max: 1024 ** 3 }),
      oddBytes: bytes({ help: "How much", defaultValue: 1025, min: 1, max: 1024 ** 3 }),
      door: optional(port({ help: "Which" })),
      tune: { ...text("DIR", { help: "What", defaultValue: "" }), defaultValue: new Map() },
      encore: toggle({ help: "Again" }),
      yes: typedOnly(toggle({ help: "Without asking" })),
    },
    examples: ["regent dance"],
    run: () => Promise.resolve(0),
  });
  assertEquals(helpOf(dance), HELP);
});

Deno.test("long help is wrapped at the terminal's width", () => {
  const flags = { steps: integer("N", { help: "many words ".repeat(20).trim(), min: 1, max: 9 }) };
  const run = () => Promise.resolve(0);
  const description = "more words ".repeat(20);
  const dance = subcommand({ name: "dance", summary: "", description, flags, examples: [], run });
  for (const columns of [50, 80, undefined]) {
    const help = helpOf(dance, columns);
    assertEquals(help.split("\n").filter((line) => line.length > (columns ?? 80)), []);
    assertStringIncludes(help.replace(/\n +/g, " "), "many words many words (required)");
  }
});

Deno.test("words after the first may look like flags", async () => {
  const flags = {
    host: withShort("h", text("HOST", { help: "host", defaultValue: "" })),
    port: withShort("p", port({ help: "port", defaultValue: 1 })),
    noRaw: toggle({ help: "switch" }),
  };
  for (
    const [line, expected] of [
      ["-p 7 --no-raw incrby n -5 --no-raw", "7 true: incrby n -5 --no-raw"],
      ["--port=7 get -- --help", "7 false: get -- --help"],
      ["-h x get -h", "1 false: get -h"],
      ["--no-raw -- --port 7", "1 true: --port 7"],
      ["get", "1 false: get"],
    ] as const
  ) {
    const seen: string[] = [];
    const free = subcommand({
      name: "free",
      summary: "",
      description: "",
      flags,
      words: "[WORD…]",
      isFreeAfterFirstWord: true,
      examples: [],
      run({ port, noRaw }, words) {
        seen.push(`${port} ${noRaw}: ${words.join(" ")}`);
        return Promise.resolve(3);
      },
    });
    const onEnd = (code: number) => seen.push(String(code));
    await commandFor(free, () => undefined, onEnd).parseAsync(line.split(" "), { from: "user" });
    assertEquals(seen, [expected, "3"], line);
  }
});

Deno.test("a command with invalid flags does not run", async () => {
  const dance = subcommand({
    name: "dance",
    summary: "",
    description: "",
    flags: { steps: integer("N", { help: "How many", defaultValue: 3, min: 1, max: 9 }) },
    examples: [],
    run: () => fail("it ran"),
  });
  for (const wrong of ["--=x", "-=x", "-5=x", "--step=4", "--steps=x", "-x=--", "-", "=", ""]) {
    const command = commandFor(dance, () => undefined, () => fail("it ended"));
    await assertRejects(() => command.parseAsync([wrong], { from: "user" }), UsageError);
  }
});

function helpOf(subcommand: Subcommand, columns?: number): string {
  let help = "";
  const command = commandFor(subcommand, () => undefined, () => {});
  command.configureOutput({
    writeOut: (text) => help += text,
    // deno-lint-ignore no-explicit-any -- undefined is what it says where there is no terminal
    getOutHelpWidth: () => columns as any,
  });
  command.outputHelp();
  return help;
}
