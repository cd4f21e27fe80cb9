import { assertEquals, assertMatch } from "@std/assert";
import { EventEmitter } from "node:events";
import { FakeSocket } from "../../tests/support/fake_socket.ts";
import { ManualClock } from "../../tests/support/node/manual_clock.ts";
import { PROCESS_FACTS } from "../../tests/support/process_facts.ts";
import { textOf } from "../base/byte_string.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { silentLogger } from "../base/logger.ts";
import { StateMachine } from "../commands/state_machine.ts";
import { Faults } from "../faults/faults.ts";
import type { Request } from "../node/clients/request.ts";
import type { Node } from "../node/node.ts";
import { OK } from "../resp/reply.ts";
import { DEFAULT_CLIENT_LIMITS } from "./limits.ts";
import { RespListener } from "./listener.ts";
import { NodeFrontend } from "./node_frontend.ts";
import { PausableFrontend } from "./pausable_frontend.ts";

/** A client of the listener. */
class Client extends FakeSocket {
  constructor(readonly clock: ManualClock) {
    super();
  }

  /** Sends the requests in one chunk. */
  ask(...requests: string[]): void {
    this.send(latin1Bytes(requests.map((text) => `${text}\r\n`).join("")));
    this.clock.settle();
  }
}

/**
 * A frontend with real connections. Its node answers OK to each read and write at once, except that
 * `SET bad` throws.
 */
function start() {
  const clock = new ManualClock();
  const faults = new Faults(clock, silentLogger);
  const executed: string[] = [];
  const errors: string[] = [];
  const node = {
    snapshots: null,
    noteLargest() {},
    watch() {},
    report: () => ({ id: "n1", role: "leader" }),
    submit(request: Request) {
      const args = request.args.map(textOf);
      if (args[1] === "bad") throw new Error("thrown on purpose");
      executed.push(args.join(" "));
      request.settle(OK);
    },
  };
  const frontend = new NodeFrontend({
    node: node as unknown as Node,
    machine: new StateMachine(),
    clock,
    facts: PROCESS_FACTS,
    config: new Map(),
    listener: () => listener,
  });
  const accepting = new EventEmitter();
  const listener: RespListener = new RespListener(
    Object.assign(accepting, { address: () => ({ port: 1 }), close() {} }),
    {
      address: { host: "h", port: 1 },
      limits: DEFAULT_CLIENT_LIMITS,
      clock,
      logger: { ...silentLogger, error: (line) => void errors.push(line) },
      handler: new PausableFrontend(frontend, faults, () => listener),
    },
  );
  const connect = (): Client => {
    const client = new Client(clock);
    accepting.emit("connection", client);
    return client;
  };
  return { clock, faults, executed, errors, connect };
}

type Started = ReturnType<typeof start>;

const OPERATOR_PAUSES = "CLIENT PAUSE 1000";
const PAUSE_MS = 1_000;

interface Pause {
  readonly begin: (started: Started) => void;
  readonly end: (started: Started) => void;
}

const PAUSES: Readonly<Record<string, Pause>> = {
  "CLIENT PAUSE": {
    begin: ({ connect }) => connect().ask(OPERATOR_PAUSES),
    end: ({ clock }) => clock.advance(PAUSE_MS),
  },
  "FAULT PAUSE": {
    begin: ({ faults }) => faults.begin({ kind: "pause" }, null),
    end: ({ faults, clock }) => {
      faults.heal();
      clock.settle();
    },
  },
};

interface Held {
  /** Requests that are served before the pause. */
  readonly before?: readonly string[];
  /** Requests that are held. */
  readonly held: readonly string[];
  /** What the client gets, as without a pause. */
  readonly replies: string;
}

const HELD: Readonly<Record<string, Held>> = {
  "SKIP before the pause": {
    before: ["CLIENT REPLY SKIP"],
    held: ["ECHO -", "ECHO a"],
    replies: "$1\r\na\r\n",
  },
  "SKIP before the pause, and another one during it": {
    before: ["CLIENT REPLY SKIP"],
    held: ["CLIENT REPLY SKIP", "ECHO -", "ECHO a"],
    replies: "$1\r\na\r\n",
  },
  "SKIP during the pause": {
    held: ["ECHO a", "CLIENT REPLY SKIP", "ECHO -", "ECHO b"],
    replies: "$1\r\na\r\n$1\r\nb\r\n",
  },
  "OFF before the pause, ON during it": {
    before: ["CLIENT REPLY OFF"],
    held: ["ECHO -", "ECHO -", "CLIENT REPLY ON", "ECHO a"],
    replies: "+OK\r\n$1\r\na\r\n",
  },
  "OFF during the pause": {
    held: ["ECHO a", "CLIENT REPLY OFF", "ECHO -", "ECHO -", "CLIENT REPLY ON"],
    replies: "$1\r\na\r\n+OK\r\n",
  },
  "HELLO during the pause": {
    held: ["CLIENT GETNAME", "CLIENT REPLY SKIP", "HELLO 3", "CLIENT GETNAME"],
    replies: "$-1\r\n_\r\n",
  },
  "HELLO before the pause, RESET during it": {
    before: ["CLIENT REPLY SKIP", "HELLO 3"],
    held: ["CLIENT GETNAME", "RESET", "CLIENT GETNAME"],
    replies: "_\r\n+RESET\r\n$-1\r\n",
  },
  "SKIP before the pause, RESET during it": {
    before: ["CLIENT REPLY SKIP"],
    held: ["RESET", "ECHO a"],
    replies: "+RESET\r\n$1\r\na\r\n",
  },
};

for (const [name, { begin, end }] of Object.entries(PAUSES)) {
  Deno.test(`the replies to requests held by ${name} are muted and encoded as without a pause`, () => {
    for (const [what, { before = [], held, replies }] of Object.entries(HELD)) {
      const started = start();
      const client = started.connect();
      client.ask(...before);
      begin(started);
      client.ask(...held);
      assertEquals(client.received, "", what);
      end(started);
      client.ask("ECHO after");
      assertEquals(client.received, `${replies}$5\r\nafter\r\n`, what);
    }
  });
}

Deno.test("CLIENT REPLY SKIP holds for a write that is held, not for the read after it", () => {
  const { clock, connect, executed } = start();
  const [client, operator] = [connect(), connect()];
  client.ask("CLIENT REPLY SKIP");
  operator.ask("CLIENT PAUSE 1000 WRITE");
  client.ask("SET k v", "ECHO a");
  clock.advance(PAUSE_MS);
  assertEquals([client.received, executed], ["$1\r\na\r\n", ["SET k v"]]);
});

Deno.test("CLIENT REPLY SKIP outlasts a second pause that a held request begins", () => {
  for (const before of [[], ["CLIENT REPLY SKIP"]]) {
    const { clock, connect } = start();
    const [client, operator] = [connect(), connect()];
    client.ask(...before);
    operator.ask(OPERATOR_PAUSES);
    if (before.length === 0) client.ask("CLIENT REPLY SKIP");
    operator.ask(OPERATOR_PAUSES);
    client.ask("ECHO -", "ECHO a");
    clock.advance(PAUSE_MS);
    assertEquals(client.received, "");
    clock.advance(PAUSE_MS);
    assertEquals(client.received, "$1\r\na\r\n");
  }
});

for (const [name, { begin, end }] of Object.entries(PAUSES)) {
  Deno.test(`a request held by ${name} that fails ends its own connection and no other`, () => {
    const started = start();
    const { connect, executed, errors } = started;
    const [failing, other] = [connect(), connect()];
    begin(started);
    failing.ask("SET bad 1", "SET after 1");
    other.ask("SET good 1");
    end(started);
    assertEquals([failing.isEnded, failing.received], [true, ""]);
    assertEquals([other.isEnded, other.received], [false, "+OK\r\n"]);
    assertEquals([executed, errors.length], [["SET good 1"], 1]);
    assertMatch(errors[0] ?? "", /serving it failed: thrown on purpose/);
  });
}

Deno.test("a held request that fails does not end the connection of CLIENT UNPAUSE", () => {
  const { connect, executed } = start();
  const [failing, other, operator] = [connect(), connect(), connect()];
  operator.ask("CLIENT PAUSE 1000 WRITE");
  failing.ask("SET bad 1");
  other.ask("SET good 1");
  operator.ask("CLIENT UNPAUSE", "ECHO a");
  assertEquals(failing.isEnded, true);
  assertEquals([other.received, executed], ["+OK\r\n", ["SET good 1"]]);
  assertEquals(operator.received, "+OK\r\n+OK\r\n$1\r\na\r\n");
});

Deno.test("requests held by FAULT PAUSE are not executed once a held CLIENT KILL ends their client", () => {
  const { faults, clock, connect, executed } = start();
  const [killer, killed] = [connect(), connect()];
  faults.begin({ kind: "pause" }, null);
  killer.ask("CLIENT KILL TYPE normal", "SET k 1");
  killed.ask("SET k 2", "SET k 3");
  faults.heal();
  clock.settle();
  assertEquals([killer.received, killed.received], [":1\r\n+OK\r\n", ""]);
  assertEquals(executed, ["SET k 1"]);
});
