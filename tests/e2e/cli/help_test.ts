import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runRegent } from "../../support/regent_process.ts";

const COMMANDS = [
  "node",
  "proxy",
  "cluster",
  "status",
  "remove",
  "transfer",
  "user",
  "fault",
  "log",
  "cli",
  "backup",
  "restore",
  "recover",
  "put",
  "get",
  "files",
];

Deno.test("help lists the commands, and each command's help its flags and their variables", async () => {
  const [general, ...each] = await Promise.all([
    runRegent(["--help"]),
    ...COMMANDS.map((command) => runRegent([command, "--help"])),
  ]);
  assertEquals([general?.code, general?.stderr], [0, ""]);
  each.forEach(({ code, stdout, stderr }, at) => {
    const command = COMMANDS[at] ?? "";
    assertMatch(general?.stdout ?? "", new RegExp(`^  ${command} +\\S.*$`, "m"));
    assertEquals([code, stderr], [0, ""]);
    assertStringIncludes(stdout, `Usage: regent ${command} [flags]`);
    assertStringIncludes(stdout, `\nExamples:\n  regent ${command}`);
    assert(!/object|undefined|NaN/.test(stdout), stdout);
    const flags = [...stdout.matchAll(/^ {2}(?:-[a-z0-9], )?--([a-z0-9-]+)/gm)].map(([, flag]) =>
      flag ?? ""
    );
    assert(flags.length >= 2, stdout);
    for (const flag of flags.filter((name) => name !== "help")) {
      // Elsewhere REGENT_NODES and REGENT_FROM are addresses for Redis clients.
      const isHttp = ["put", "get", "files"].includes(command) && /^(to|from)$/.test(flag);
      const isCount = command === "cluster" && flag === "nodes";
      const own = isHttp ? "HTTP" : isCount ? "CLUSTER_NODES" : flag;
      const variable = `[REGENT_${own.replaceAll("-", "_").toUpperCase()}]`;
      const isTypedOnly = ["yes", "force"].includes(flag);
      assertEquals(stdout.includes(variable), !isTypedOnly, `${command} --${flag}`);
    }
    for (const line of stdout.split("\n")) assert(line.length <= 110, line);
  });
});

Deno.test("help is available in several ways", async () => {
  const [wanted, same, letter, word, short, none, version] = await Promise.all([
    runRegent(["log", "--help"]),
    runRegent(["help", "log"]),
    runRegent(["log", "-h"]),
    runRegent(["help"]),
    runRegent(["-h"]),
    runRegent([]),
    runRegent(["--version"]),
  ]);
  assertEquals(same, wanted);
  assertEquals(letter, wanted);
  assertEquals(word, short);
  assertEquals([none?.code, none?.stdout], [2, word?.stdout]);
  assertMatch(version?.stdout ?? "", /^regent [0-9]+\.[0-9]+\.[0-9]+\n$/);
});

const node = ["node", "--id", "n1", "--port", "7001"];
/**
 * A command line that is wrong because of the directory's content opens it: no two tests may share
 * one at a time.
 */
const [forHost, forPort] = [Deno.makeTempDirSync(), Deno.makeTempDirSync()];
const WRONG: [args: string[], message: string][] = [
  [["bogus"], "Unknown command: bogus. `regent --help` lists commands and flags"],
  [["help", "bogus"], "Unknown command: bogus. `regent --help` lists commands and flags"],
  [["bogus", "--help"], "Unknown command: bogus. `regent --help` lists commands and flags"],
  [
    ["stauts"],
    "Unknown command: stauts (did you mean status?). `regent --help` lists commands and flags",
  ],
  [["help", "stauts"], "Unknown command: stauts (did you mean status?)."],
  [["--bogus", "node"], "Unknown flag: --bogus. `regent --help` lists commands and flags"],
  [["version", "extra"], "Unexpected argument: extra. `regent version --help` lists"],
  [["node", "--bogus", "1"], "Unknown flag: --bogus. `regent node --help` lists"],
  [["node", "--prot", "1"], "Unknown flag: --prot (did you mean --port?). `regent node"],
  [["node", "--prot=1"], "Unknown flag: --prot (did you mean --port?). `regent node"],
  [["node", "-p", "1"], "Unknown flag: -p."],
  [["node", "extra"], "Unexpected argument: extra."],
  [["node"], "Cannot start without --id ID."],
  [["node", "--id", "n1"], "Cannot start without --port PORT."],
  [["node", "--id"], "Cannot use --id without a value."],
  [["node", "--id", "--port", "1"], "Cannot use --id without a value."],
  [["node", "--id", "n 1", "--port", "1"], "Cannot use --id: expected up to 64 letters"],
  [["node", "--id", "n1", "--port", "x"], "Cannot use --port: expected a whole number from 1"],
  [["node", "--id", "n1", "--port", "65536"], "from 1 to 65535: current value is 65536."],
  [[...node, "--role", "boss"], "Cannot use --role: expected leader or follower"],
  [[...node, "--peers", "n1"], "Cannot use --peers: expected ID=HOST:PORT,… with each id once"],
  [[...node, "--peers", "n1=h:1,n1=h:2"], "with each id once"],
  [[...node, "--peers", "n1=host"], "Cannot use --peers: expected HOST:PORT"],
  [[...node, "--bulk-bytes-max", "1t"], "Cannot use --bulk-bytes-max: expected a size from"],
  [[...node, "--heartbeat-ms", "150"], "Cannot use --heartbeat-ms: it must be below --election-ms"],
  [
    ["node", "--id", "n1", "--port", "60000", "--dir", forPort],
    "Cannot derive the Raft port from --port 60000",
  ],
  [[...node, "--host", "0.0.0.0", "--dir", forHost], "give --advertise HOST."],
  [["proxy", "--port", "7000"], "Cannot start without --nodes HOST:PORT,…."],
  [["proxy", "--port", "7000", "--nodes", "a:0"], "Cannot use --nodes: expected HOST:PORT"],
  [["cluster", "--nodes", "0"], "Cannot use --nodes: expected a whole number from 1 to 9"],
  [["cluster", "--restart=x"], "Cannot use --restart with a value: it is a switch."],
  [["cluster", "--port", "60000"], "Cannot use --port: the Raft port 70003 would be over 65535."],
  [["status", "--nodes", "here"], "Cannot use --nodes: expected HOST:PORT"],
  [[...node, "--join", "here"], "Cannot use --join: expected HOST:PORT"],
  [[...node, "--join", "h:1", "--peers", "n1=h:2"], "Cannot use --join with --peers"],
  [["remove"], "Cannot start: expected the ID of one member."],
  [["remove", "n1", "n2"], "Cannot start: expected the ID of one member."],
  [["transfer", "--from", "here", "n1"], "Cannot use --from: expected HOST:PORT"],
  [["log"], "Cannot start without --dir DIR."],
  [["user"], "Cannot start: expected add NAME, list or remove NAME."],
  [["user", "add"], "Cannot start: expected add NAME, list or remove NAME."],
  [["user", "list", "x"], "Cannot start: expected add NAME, list or remove NAME."],
  [["user", "drop", "x"], "Cannot start: expected add NAME, list or remove NAME."],
  [["user", "add", "x", "--rules", "on >pw"], "Cannot use --rules: passwords do not belong on"],
  [["user", "add", "x", "--admin", "--read-only"], "Cannot use more than one of --rules, --admin"],
  [["fault", "pause"], "Cannot start without --port PORT."],
  [["fault", "--port", "7001"], "Cannot start: expected WHAT to inject."],
  [["backup"], "Cannot start: expected one FILE to write."],
  [["backup", "--from", "here", "f"], "Cannot use --from: expected HOST:PORT"],
  [
    ["restore", "--dir", "d", "--id", "n1"],
    "Cannot start: expected one FILE, the backup to restore.",
  ],
  [
    ["restore", "--dir", "d", "--id", "n1", "--peers", "n2=h:1", "f"],
    "Cannot restore n1: --peers names",
  ],
  [["recover"], "Cannot start without --dir DIR."],
  [["put"], "Cannot start: expected the FILE to store."],
  [["put", "--to", "here", "f"], "Cannot use --to: expected HOST:PORT"],
  [["get", "a", "b"], "Cannot start: expected the NAME of one file."],
  [["files", "--sort", "age"], "Cannot use --sort: expected name or size or date"],
  [["files", "rm"], "Cannot start: expected the NAME after rm."],
  [["remove", "n1", "--drain-timeout-s", "0"], "Cannot use --drain-timeout-s: expected a whole"],
  [["backup", "--files", "", "f"], "Cannot use --files: expected a directory"],
  [["cli", "-x"], "Unknown flag: -x."],
  [["cli", "-p"], "Cannot use --port without a value."],
  [["cli", "-p", "0", "get", "k"], "Cannot use --port: expected a whole number from 1"],
  [["cli", "--raw", "--no-raw"], "Cannot use --raw with --no-raw."],
  [["cli", "--pipe", "get", "k"], "Cannot use --pipe with a command."],
];

Deno.test("a wrong command line gets one clear line and exit code 2", async () => {
  await Promise.all(WRONG.map(async ([args, message]) => {
    const { code, stdout, stderr } = await runRegent(args);
    assertEquals([code, stdout], [2, ""], `${args.join(" ")}: ${stderr}`);
    assertMatch(stderr, /^regent: [^\n]+\n$/);
    assertStringIncludes(stderr, message);
  }));
  for (const dir of [forHost, forPort]) Deno.removeSync(dir, { recursive: true });
});

Deno.test("environment variables replace flags", async () => {
  const [wrong, beaten, empty, toggle] = await Promise.all([
    runRegent(["node"], { REGENT_ID: "n1", REGENT_PORT: "many" }),
    runRegent(["node", "--port", "0"], { REGENT_ID: "n1", REGENT_PORT: "many" }),
    runRegent(["node"], { REGENT_ID: "", REGENT_PORT: "7001" }),
    runRegent(["cluster"], { REGENT_RESTART: "maybe" }),
  ]);
  assertEquals([wrong, beaten, empty, toggle].map(({ code }) => code), [2, 2, 2, 2]);
  assertStringIncludes(wrong.stderr, "Cannot use REGENT_PORT: expected a whole number");
  assertStringIncludes(beaten.stderr, "Cannot use --port: expected a whole number");
  assertStringIncludes(empty.stderr, "Cannot start without --id ID");
  assertStringIncludes(toggle.stderr, "Cannot use REGENT_RESTART: expected true or false");
});
