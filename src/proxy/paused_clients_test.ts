import { assertEquals } from "@std/assert";
import { EventEmitter } from "node:events";
import { FakeSocket } from "../../tests/support/fake_socket.ts";
import { PROCESS_FACTS } from "../../tests/support/process_facts.ts";
import { ProxyBench } from "../../tests/support/proxy/proxy_bench.ts";
import { latin1Bytes } from "../base/bytes.ts";
import { silentLogger } from "../base/logger.ts";
import { seededRandom } from "../base/random.ts";
import { DEFAULT_CLIENT_LIMITS } from "../server/limits.ts";
import { RespListener } from "../server/listener.ts";
import { ProxyFrontend } from "./proxy_frontend.ts";

/** Longer than any time limit of a proxy. */
const PAUSE_MS = 60_000;

/** A proxy with real client connections, in front of fake nodes. */
function start() {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (line: string) => void warnings.push(line) };
  const bench = ProxyBench.ready({ logger });
  const { clock, core } = bench;
  const frontend = new ProxyFrontend({
    router: core.router,
    status: () => core.status(),
    listener: () => listener,
    clock,
    random: seededRandom(1),
    facts: PROCESS_FACTS,
    config: new Map(),
  });
  const accepting = new EventEmitter();
  const listener: RespListener = new RespListener(
    Object.assign(accepting, { address: () => ({ port: 1 }), close() {} }),
    {
      address: { host: "h", port: 1 },
      limits: DEFAULT_CLIENT_LIMITS,
      clock,
      logger,
      handler: frontend,
    },
  );
  const connect = (): FakeSocket => {
    const socket = new FakeSocket();
    accepting.emit("connection", socket);
    return socket;
  };
  const send = (socket: FakeSocket, text: string) => socket.send(latin1Bytes(`${text}\r\n`));
  return { bench, warnings, connect, send };
}

Deno.test("the time of CLIENT PAUSE is not taken for the time that a node needs for an answer", () => {
  const { bench, warnings, connect, send } = start();
  const [client, other, operator] = [connect(), connect(), connect()];
  for (const node of bench.cluster.nodes) node.isHolding = true;
  send(operator, `CLIENT PAUSE ${PAUSE_MS} WRITE`);
  send(client, "SET a 1");
  bench.advance(PAUSE_MS - 10);
  send(other, "GET b");
  bench.advance(60);
  bench.cluster.nodes.forEach((node) => node.release());
  bench.advance(10);
  assertEquals([client.received, other.received], ["+OK\r\n", "$-1\r\n"]);
  const names = bench.cluster.node(0).received.map(({ args }) => args.join(" "));
  assertEquals(names.filter((name) => name === "SET a 1").length, 1, "it is sent once");
  assertEquals(warnings, []);
});

Deno.test("the time of CLIENT PAUSE does not count as time without a leader", () => {
  const { bench, connect, send } = start();
  const [client, operator] = [connect(), connect()];
  send(operator, `CLIENT PAUSE ${PAUSE_MS} WRITE`);
  send(client, "SET a 1");
  bench.advance(PAUSE_MS - 500);
  bench.cluster.node(0).kill();
  bench.advance(1_500);
  assertEquals(client.received, "");
  bench.cluster.elect(1, 2);
  bench.advance(500);
  assertEquals([client.received, bench.cluster.executed], ["+OK\r\n", ["SET a 1"]]);
});
