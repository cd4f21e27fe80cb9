import { assert, assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../base/errors.ts";
import { parseFlags } from "./command_line.ts";
import {
  addressList,
  bytes,
  choice,
  type Environment,
  integer,
  optional,
  port,
  repeatable,
  text,
  toggle,
  typedOnly,
  withShort,
} from "./flags.ts";

const flags = {
  id: text("ID", { help: "name" }),
  raftPort: optional(port({ help: "port" })),
  waitMs: integer("MS", { help: "time", defaultValue: 100, min: 10, max: 1_000 }),
  bulkBytesMax: bytes({ help: "size", defaultValue: 1024, min: 10, max: 1024 ** 3 }),
  role: choice(["leader", "follower"], { help: "role", defaultValue: "follower" }),
  restart: toggle({ help: "switch" }),
  nodes: { ...addressList({ help: "addresses" }), defaultValue: [], isRequired: false },
};

const nothing: Environment = () => undefined;
const parse = (line: string, environment = nothing) =>
  parseFlags(flags, line.split(" ").filter((word) => word !== ""), environment);

Deno.test("a missing flag has its default", () => {
  assertEquals(parse("--id n1"), {
    id: "n1",
    raftPort: undefined,
    waitMs: 100,
    bulkBytesMax: 1024,
    role: "follower",
    restart: false,
    nodes: [],
  });
});

Deno.test("values are read with a space or an equals sign", () => {
  const values = parse(
    "--id=n1 --raft-port 17001 --wait-ms=20 --bulk-bytes-max 64m --role leader --restart " +
      "--nodes a:1,[::1]:65535",
  );
  assertEquals(values, {
    id: "n1",
    raftPort: 17001,
    waitMs: 20,
    bulkBytesMax: 64 * 1024 * 1024,
    role: "leader",
    restart: true,
    nodes: [{ host: "a", port: 1 }, { host: "::1", port: 65535 }],
  });
});

Deno.test("environment variables replace flags, and flags win", () => {
  const environment: Environment = (name) =>
    ({ REGENT_ID: "env", REGENT_RAFT_PORT: "5", REGENT_RESTART: "yes", REGENT_ROLE: "" })[name];
  const { id, raftPort, restart, role } = parse("--raft-port 6", environment);
  assertEquals({ id, raftPort, restart, role }, {
    id: "env",
    raftPort: 6,
    restart: true,
    role: "follower",
  });
});

Deno.test("a wrong command line is reported in one clear sentence", () => {
  for (
    const [line, message] of [
      ["", "Cannot start without --id ID"],
      ["--id", "Cannot use --id without a value"],
      ["--id --restart", "Cannot use --id without a value"],
      ["--id n1 --nonsense 5", "Unknown flag: --nonsense"],
      ["--id n1 --nonsense", "Unknown flag: --nonsense"],
      ["--id n1 --nonsense=5", "Unknown flag: --nonsense"],
      ["--id n1 --raft-prot 5", "Unknown flag: --raft-prot (did you mean --raft-port?)"],
      ["--id n1 --raft-prot=5", "Unknown flag: --raft-prot (did you mean --raft-port?)"],
      ["--id n1 --mode x", "Unknown flag: --mode (did you mean one of --nodes, --role?)"],
      ["--id n1 --hepl", "Unknown flag: --hepl (did you mean --help?)"],
      ["--id n1 -x", "Unknown flag: -x"],
      ["--id n1 --__proto__ 1", "Unknown flag: --__proto__"],
      ["--id n1 stray", "Unexpected argument: stray"],
      ["--id n1 --restart=yes", "Cannot use --restart with a value: it is a switch"],
      [
        "--id n1 --raft-port 0",
        "Cannot use --raft-port: expected a whole number from 1 to 65535: current value is 0",
      ],
      ["--id n1 --raft-port 70000", "from 1 to 65535"],
      ["--id n1 --raft-port 1e3", "from 1 to 65535"],
      ["--id n1 --wait-ms -5", "expected a whole number"],
      ["--id n1 --bulk-bytes-max 5t", "expected a size"],
      ["--id n1 --role king", "expected leader or follower: current value is king"],
      ["--id n1 --nodes localhost", "expected HOST:PORT: current value is localhost"],
      ["--id n1 --nodes a:1,", "expected HOST:PORT"],
    ] as const
  ) {
    const { message: said } = assertThrows(() => parse(line), UserError, message, line);
    assert(!said.includes("\n"), said);
  }
  const environment: Environment = (name) => name === "REGENT_WAIT_MS" ? "soon" : undefined;
  assertThrows(() => parse("--id n1", environment), UserError, "Cannot use REGENT_WAIT_MS");
});

Deno.test("a letter may stand for a name", () => {
  const short = {
    port: withShort("p", port({ help: "port", defaultValue: 1 })),
    resp3: withShort("3", toggle({ help: "switch" })),
    raw: toggle({ help: "switch" }),
  };
  const parseShort = (...args: string[]) => parseFlags(short, args, nothing);
  assertEquals(parseShort("-p", "7", "-3"), { port: 7, resp3: true, raw: false });
  assertEquals(parseShort("-p7", "--raw"), { port: 7, resp3: false, raw: true });
  for (const wrong of [["-r"], ["-p", "0"], ["-undefined"]]) {
    assertThrows(() => parseShort(...wrong), UserError);
  }
  assertThrows(() => parseShort("-p"), UserError, "Cannot use --port without a value");
});

Deno.test("a flag that may be given several times collects its values, in order", () => {
  const repeated = { dir: repeatable(text("DIR", { help: "directories" })) };
  const parseDirs = (args: readonly string[], environment = nothing) =>
    parseFlags(repeated, args, environment).dir;
  assertEquals(parseDirs(["--dir", "b", "--dir=a,c"]), ["b", "a,c"]);
  assertEquals(parseDirs(["--dir", "b"]), ["b"]);
  assertEquals(parseDirs([], (name) => name === "REGENT_DIR" ? "d" : undefined), ["d"]);
  assertThrows(() => parseDirs([]), UserError, "Cannot start without --dir DIR");
});

Deno.test("flags that remove a safeguard are not read from the environment", () => {
  const flags = { yes: typedOnly(toggle({ help: "x" })), loud: toggle({ help: "x" }) };
  const environment = () => "true";
  assertEquals(parseFlags(flags, [], environment), { yes: false, loud: true });
  assertEquals(parseFlags(flags, ["--yes"], environment), { yes: true, loud: true });
});

Deno.test("Kubernetes's service variables are not flags, and a flag may have a variable of another name", () => {
  const service: Environment = (name) => ({ REGENT_WAIT_MS: "tcp://10.0.0.1:7001" })[name];
  assertEquals(parse("--id n1", service).waitMs, 100);
  const own = { nodes: { ...flags.waitMs, environment: "REGENT_CLUSTER_NODES" } };
  const environment: Environment = (name) =>
    ({ REGENT_NODES: "10.0.0.1:7001", REGENT_CLUSTER_NODES: "50" })[name];
  assertEquals(parseFlags(own, [], environment).nodes, 50);
});
