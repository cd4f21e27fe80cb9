import { assert, assertEquals } from "@std/assert";
import { EventEmitter } from "node:events";
import { latin1Bytes } from "../../../src/base/bytes.ts";
import { silentLogger } from "../../../src/base/logger.ts";
import { type Random, randomInteger, seededRandom } from "../../../src/base/random.ts";
import { StateMachine } from "../../../src/commands/state_machine.ts";
import { COMMANDS } from "../../../src/commands/table.ts";
import { Node } from "../../../src/node/node.ts";
import type { ConnectionSource } from "../../../src/platform/acceptor.ts";
import { encodeRequest } from "../../../src/resp/encode.ts";
import { ReplyScanner } from "../../../src/resp/reply_scanner.ts";
import { DEFAULT_CLIENT_LIMITS } from "../../../src/server/limits.ts";
import { RespListener } from "../../../src/server/listener.ts";
import { NodeFrontend } from "../../../src/server/node_frontend.ts";
import { FakeSocket } from "../../support/fake_socket.ts";
import { ManualClock } from "../../support/node/manual_clock.ts";
import { MemoryLog } from "../../support/node/memory_log.ts";
import { PROCESS_FACTS } from "../../support/process_facts.ts";
import { chunksOf } from "../chunks.ts";
import { choiceSeed, type FuzzTarget } from "../fuzz_target.ts";
import { decodeAll, LIMITS, requestText } from "./requests.ts";

const LOCAL_NAMES = COMMANDS.filter(({ kind }) => kind === "local").map(({ name }) => name);
const LOCAL_WORDS = [
  ..."id info list getname setname setinfo lib-name lib-ver kill no-evict reply on off skip".split(
    " ",
  ),
  ..."role nodes slots shards info myid watch fence keyslot countkeysinslot count docs".split(" "),
  ..."getkeys list filterby pattern aclcat get set appendonly help 0 1 2 3 4 100 -1 auth".split(
    " ",
  ),
  ..."default everything server clients memory stats replication a b".split(" "),
  "127.0.0.1:1",
  "\r\n+OK\r\n",
  "9".repeat(30),
  "",
];

function localRequest(random: Random): string {
  const args = Array.from(
    { length: randomInteger(random, 5) },
    () => LOCAL_WORDS[randomInteger(random, LOCAL_WORDS.length)] ?? "",
  );
  return encodeRequest([LOCAL_NAMES[randomInteger(random, LOCAL_NAMES.length)] ?? "", ...args]);
}

/**
 * A client of a whole node, all but the socket: each request gets one whole reply, in a form that
 * can be read, and another client is served as before.
 */
export const sessions: FuzzTarget = {
  name: "sessions",
  words: ["\r\n", "*1\r\n", "PING\r\n", "HELLO 3\r\n", "CLUSTER WATCH 50\r\n", ...LOCAL_WORDS],
  sample(random) {
    let text = "";
    for (let left = 1 + randomInteger(random, 5); left > 0; left--) {
      text += random() < 0.7 ? localRequest(random) : requestText(random);
    }
    return text;
  },
  run(input) {
    const served = new ServedNode();
    const stranger = served.connect();
    for (const chunk of chunksOf(input, seededRandom(choiceSeed(input)), 40)) stranger.send(chunk);
    served.answerAll(stranger);
    assertReplies(input, stranger);
    const other = served.connect();
    other.send(latin1Bytes("PING\r\nSET k v\r\nGET k\r\n"));
    served.clock.advance(30);
    assertEquals(other.received, "+PONG\r\n+OK\r\n$1\r\nv\r\n", "another client is not served");
    served.stop();
  },
};

/** Commands that delay later replies, as a log-in does, or end the connection. */
const WAITS_OR_ENDS = new Set(
  ["wait", "quit", "client", "shutdown", "reset", "auth", "hello", "acl"],
);

function assertReplies(input: string, { received, isEnded }: FakeSocket): void {
  const scanner = new ReplyScanner();
  scanner.push(latin1Bytes(received));
  let count = 0;
  let scanned = scanner.next();
  for (; scanned.kind === "complete"; scanned = scanner.next()) {
    if (!scanned.text.startsWith(">")) count++;
  }
  assertEquals(scanned.kind, "incomplete", `replies that cannot be read: ${received}`);
  const { requests, end } = decodeAll([latin1Bytes(input)]);
  const isRefused = end.kind === "invalid" && !end.crossProtocol;
  const expected = requests.length + (isRefused ? 1 : 0);
  assert(count <= expected, `${count} replies to ${expected} requests`);
  if (end.kind === "invalid") {
    assert(isEnded || count < expected, "a refused client stays connected");
  }
  if (end.kind === "invalid" && end.crossProtocol) return;
  const mayWait = requests.some(([name = ""]) => WAITS_OR_ENDS.has(name.toLowerCase()));
  if (!mayWait) assertEquals(count, expected, `replies are missing: ${received}`);
}

/** A cluster of one node with its client port, on a manual clock. */
class ServedNode {
  readonly clock = new ManualClock();
  readonly #server = Object.assign(new EventEmitter(), {
    address: () => ({ address: "127.0.0.1", family: "IPv4", port: 7001 }),
    close() {},
  });
  readonly #node: Node;

  constructor() {
    const machine = new StateMachine({ stringBytesMax: 4096, keysMax: 1000 });
    const clientAddress = { host: "127.0.0.1", port: 7001 };
    this.#node = new Node({
      id: "n1",
      members: new Map([["n1", { host: "127.0.0.1", port: 17001 }]]),
      clientAddress,
      log: new MemoryLog(),
      machine,
      clock: this.clock,
      random: seededRandom(1),
      logger: silentLogger,
    });
    this.#node.start({
      send() {},
      flush() {},
      isConnected: () => false,
      problem: () => null,
      follow() {},
    });
    this.#node.campaign();
    const handler = new NodeFrontend({
      node: this.#node,
      machine,
      clock: this.clock,
      facts: PROCESS_FACTS,
      config: new Map([["appendonly", "yes"]]),
      listener: (): RespListener => listener,
    });
    const listener = new RespListener(this.#server as unknown as ConnectionSource, {
      address: clientAddress,
      handler,
      limits: { ...DEFAULT_CLIENT_LIMITS, ...LIMITS },
      clock: this.clock,
      logger: silentLogger,
    });
    this.clock.advance(5);
  }

  connect(): FakeSocket {
    const socket = new FakeSocket();
    this.#server.emit("connection", socket);
    return socket;
  }

  /** Advances the clock as long as replies come: many large replies take turns. */
  answerAll(socket: FakeSocket): void {
    for (let before = -1; socket.received.length > before;) {
      before = socket.received.length;
      this.clock.advance(30);
      socket.drain();
      this.clock.advance(30);
    }
  }

  stop(): void {
    this.#node.stop();
  }
}
