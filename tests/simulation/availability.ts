import { latin1Bytes } from "../../src/base/bytes.ts";
import { type Random, randomInteger, seededRandom } from "../../src/base/random.ts";
import type { Stream } from "../../src/platform/network.ts";
import { encodeRequest } from "../../src/resp/encode.ts";
import { ReplyScanner } from "../../src/resp/reply_scanner.ts";
import { drawFaultPlan, type FaultPlan } from "./fault_plan.ts";
import { SimNode } from "./sim_node.ts";
import { HostClock } from "./sim_process.ts";
import { SimProxy } from "./sim_proxy.ts";
import { withoutReality } from "./without_reality.ts";
import { World } from "./world.ts";

const NODES = ["n1", "n2", "n3"];
const PROXY = "p1";
const CLIENTS = 6;
const STARTING_MS = 2_500;
/** Time after a fault, longer than the kernel may take to retransmit. */
const SETTLING_MS = 2_000;
/** Maximum duration of an answer without a fault, however late a timer is. */
const CALM_MS_MAX = 100;
/** The proxy notices silence after 200 ms, in steps of 20. */
const SILENT_NODE_MS_MAX = 400;
/** An election takes one or two timeouts of 150 ms; a split vote takes another. */
const ELECTION_MS_MAX = 1_200;
/** A proxy stops reading from a node that cannot reach its leader after a second. */
const DEAF_LEADER_MS_MAX = 1_500;
/**
 * Maximum time from the end of an interruption until every waiting request is answered. The proxy
 * retries a node every 250 ms, gives up an older attempt after as long, waits as long at most
 * between two attempts, and checks all of this every 20 ms.
 */
const HEALED_MS_MAX = 3 * 250 + 4 * 20;

/** The roles when the fault begins. */
interface Scene {
  readonly world: World;
  readonly leader: SimNode;
  readonly follower: SimNode;
  /** The ids of the other nodes. */
  readonly others: (node: SimNode) => string[];
}

/** One fault in an otherwise healthy cluster, and its allowed effect on clients. */
interface Trouble {
  readonly name: string;
  /** Maximum duration of an answer; `forMs` is the duration of the fault. */
  readonly boundMs: (forMs: number) => number;
  /** Whether only reads are judged, because writes cannot succeed. */
  readonly readsOnly?: boolean;
  /** @returns a function that ends it */
  readonly begin: (scene: Scene) => () => void;
}

const TROUBLES: readonly Trouble[] = [
  {
    name: "the proxy is cut off from a follower",
    boundMs: () => SILENT_NODE_MS_MAX,
    begin: ({ world, follower }) => cut(world, [PROXY, follower.id], [follower.id, PROXY]),
  },
  {
    name: "what a follower sends to the proxy is lost",
    boundMs: () => SILENT_NODE_MS_MAX,
    begin: ({ world, follower }) => cut(world, [follower.id, PROXY]),
  },
  {
    name: "what the proxy sends to a follower is lost",
    boundMs: () => DEAF_LEADER_MS_MAX,
    begin: ({ world, follower }) => cut(world, [PROXY, follower.id]),
  },
  {
    name: "the proxy is cut off from the leader alone",
    boundMs: () => SILENT_NODE_MS_MAX,
    readsOnly: true,
    begin: ({ world, leader }) => cut(world, [PROXY, leader.id], [leader.id, PROXY]),
  },
  {
    name: "the proxy is cut off from all nodes",
    boundMs: (forMs) => forMs + HEALED_MS_MAX,
    begin: ({ world }) => cut(world, ...NODES.flatMap((id) => bothWays(PROXY, id))),
  },
  {
    name: "a follower is cut off from its peers",
    boundMs: () => ELECTION_MS_MAX,
    begin: ({ world, follower, others }) =>
      cut(world, ...others(follower).flatMap((id) => bothWays(follower.id, id))),
  },
  {
    name: "the leader is cut off from its peers",
    boundMs: () => ELECTION_MS_MAX,
    begin: ({ world, leader, others }) =>
      cut(world, ...others(leader).flatMap((id) => bothWays(leader.id, id))),
  },
  {
    name: "what a follower sends to the leader is lost",
    boundMs: () => DEAF_LEADER_MS_MAX,
    begin: ({ world, follower, leader }) => cut(world, [follower.id, leader.id]),
  },
  {
    name: "a follower stands still",
    boundMs: () => SILENT_NODE_MS_MAX,
    begin: ({ follower }) => pause(follower),
  },
  {
    name: "the leader stands still",
    boundMs: () => ELECTION_MS_MAX,
    begin: ({ leader }) => pause(leader),
  },
  {
    name: "a follower loses power and comes back",
    boundMs: () => SILENT_NODE_MS_MAX,
    begin: ({ world, follower }) => losePower(world, follower),
  },
  {
    name: "the leader loses power and comes back",
    boundMs: () => ELECTION_MS_MAX,
    begin: ({ world, leader }) => losePower(world, leader),
  },
  {
    name: "a follower's process is killed",
    boundMs: () => SILENT_NODE_MS_MAX,
    begin: ({ follower }) => kill(follower),
  },
  {
    name: "the leader's process is killed",
    boundMs: () => ELECTION_MS_MAX,
    begin: ({ leader }) => kill(leader),
  },
];

function bothWays(a: string, b: string): [string, string][] {
  return [[a, b], [b, a]];
}

function cut({ network }: World, ...links: readonly (readonly [string, string])[]): () => void {
  for (const [from, to] of links) network.cut(from, to);
  return () => {
    for (const [from, to] of links) network.mend(from, to);
  };
}

function pause(node: SimNode): () => void {
  node.pause();
  return () => node.resume();
}

function kill(node: SimNode): () => void {
  node.crash(false, "killed");
  return () => node.start();
}

/** No peer is notified: the node's connections stay open at the other ends. */
function losePower({ network }: World, node: SimNode): () => void {
  network.setDark(node.id, true);
  node.crash(true, "without power");
  return () => {
    network.setDark(node.id, false);
    node.start();
  };
}

/** A client's request, and its result. */
interface Asked {
  readonly text: string;
  readonly isRead: boolean;
  readonly askedMs: number;
  answeredMs: number | null;
  reply: string;
}

/** A client with one request in flight at a time, which records how long each takes. */
class WaitingClient {
  readonly asked: Asked[] = [];
  readonly #world: World;
  readonly #key: string;
  readonly #isReader: boolean;
  readonly #stream: Stream;
  readonly #process;
  #isStopped = false;

  constructor(world: World, proxy: SimProxy, name: string, isReader: boolean) {
    this.#world = world;
    this.#key = `key of ${name}`;
    this.#isReader = isReader;
    this.#process = world.process(name, new HostClock(0, 1));
    const scanner = new ReplyScanner({ replyBytesMax: 1 << 20 });
    this.#stream = world.network.of(this.#process).connect(proxy.address, {
      onOpen: () => this.#ask(),
      onData: (bytes) => {
        scanner.push(bytes);
        for (let next = scanner.next(); next.kind === "complete"; next = scanner.next()) {
          this.#answered(next.text);
        }
      },
      onClose: () => world.oracle.fail(`${name} is cut off by the proxy`),
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  get isWaiting(): boolean {
    return this.asked.at(-1)?.answeredMs === null;
  }

  #ask(): void {
    if (this.#isStopped) return;
    const args = this.#isReader
      ? ["GET", this.#key]
      : ["SET", this.#key, String(this.asked.length)];
    const { nowMs } = this.#world.scheduler;
    const text = args.join(" ");
    this.asked.push({ text, isRead: this.#isReader, askedMs: nowMs, answeredMs: null, reply: "" });
    this.#stream.write(latin1Bytes(encodeRequest(args)));
  }

  #answered(reply: string): void {
    const last = this.asked.at(-1);
    if (last === undefined) return;
    last.answeredMs = this.#world.scheduler.nowMs;
    last.reply = reply;
    this.#process.clock.after(10 + this.#world.random() * 20, () => this.#ask());
  }
}

/** A plan without random faults: only the schedule of processes is random. */
function calmPlan(random: Random): FaultPlan {
  const drawn = drawFaultPlan({ random, laterRandom: random }, NODES.length);
  const never = Object.fromEntries(Object.keys(drawn.every).map((kind) => [kind, null]));
  return {
    ...drawn,
    every: never as FaultPlan["every"],
    peers: "transport",
    delayMs: 0.5,
    jitterMs: 0.5,
    loss: 0,
    repeat: 0,
    straggle: 0,
    clockRateMax: 0,
    laziness: 0,
    syncMs: 0.5,
    syncSpike: 0,
    electionMs: 150,
    heartbeatMs: 50,
    waitMs: 5_000,
    fat: 0,
    changeMembersMs: null,
    minority: "healed",
  };
}

const PATIENT_PROXY = {
  holdMsMax: 10_000,
  holdRequestsMax: 100_000,
  windowRequestsMax: 4_096,
  replyMsMax: 30_000,
};

/**
 * Applies one fault after the other to an otherwise healthy cluster, and requires that no client of
 * the proxy gets an error or waits for longer than the fault allows.
 *
 * @returns what is wrong, or `null`
 */
export async function judgeAvailability(seed: number): Promise<string | null> {
  const random = seededRandom(seed);
  const world = new World({ random, laterRandom: random }, calmPlan(random));
  for (const id of NODES) world.nodes.set(id, new SimNode(world, id, NODES));
  const seeds = [...world.nodes.values()].map(({ address }) => address);
  const proxy = new SimProxy(world, PROXY, seeds, PATIENT_PROXY);
  world.proxies.set(PROXY, proxy);
  return await withoutReality(async () => {
    for (const node of world.nodes.values()) node.start();
    proxy.start();
    await world.run(STARTING_MS);
    const order = [...TROUBLES].sort(() => random() - 0.5);
    for (const trouble of order) {
      const wrong = world.failure ?? await live(world, proxy, random, trouble);
      if (wrong !== null) return `${trouble.name}: ${wrong}`;
    }
    return world.failure;
  });
}

/** Runs one fault, with calm times before and after it. */
async function live(
  world: World,
  proxy: SimProxy,
  random: Random,
  trouble: Trouble,
): Promise<string | null> {
  const { scheduler } = world;
  const leader = [...world.nodes.values()].find((node) => node.report()?.role === "leader");
  if (leader === undefined) return "nobody leads beforehand";
  const followers = [...world.nodes.values()].filter((node) => node !== leader);
  const follower = followers[randomInteger(random, followers.length)] ?? leader;
  const others = (node: SimNode) => NODES.filter((id) => id !== node.id);
  const clients = Array.from(
    { length: CLIENTS },
    (_, at) => new WaitingClient(world, proxy, `c${at} in ${trouble.name}`, at % 3 !== 0),
  );
  await world.run(scheduler.nowMs + 300 + random() * 100);
  const calmUntilMs = scheduler.nowMs;
  const forMs = 100 + random() * random() * 5_000;
  world.note("***", trouble.name, Math.round(forMs));
  const end = trouble.begin({ world, leader, follower, others });
  await world.run(scheduler.nowMs + forMs);
  world.note("***", "all is well again");
  end();
  await world.run(scheduler.nowMs + SETTLING_MS);
  for (const client of clients) client.stop();
  const boundMs = trouble.boundMs(forMs);
  if (world.failure !== null) return world.failure;
  await world.run(scheduler.nowMs + boundMs, () => !clients.some(({ isWaiting }) => isWaiting));
  if (world.failure !== null) return world.failure;
  for (const { asked } of clients) {
    for (const { text, isRead, askedMs, answeredMs, reply } of asked) {
      if (trouble.readsOnly === true && !isRead) continue;
      const waitedMs = (answeredMs ?? scheduler.nowMs) - askedMs;
      const isCalm = answeredMs !== null && answeredMs < calmUntilMs;
      const mostMs = isCalm ? CALM_MS_MAX : boundMs;
      const said = answeredMs === null ? "no answer" : reply.trimEnd();
      if (answeredMs !== null && !reply.startsWith("-") && waitedMs <= mostMs) continue;
      return `after ${Math.round(forMs)} ms of it, ${text}, asked at ${Math.round(askedMs)}, ` +
        `got ${said} after ${Math.round(waitedMs)} ms, not within ${Math.round(mostMs)}`;
    }
  }
  return null;
}
