import { assert } from "../../../src/base/errors.ts";
import type { NodeId } from "../../../src/raft/mod.ts";
import { configurationText, parseConfiguration } from "./configuration_text.ts";
import { describeEntry, describeMessage, describeStatus } from "./describe.ts";
import { TestLog, type TestSnapshot } from "./test_log.ts";
import { NO_CONFIGURATION, type TestMessage, TestNode, type TestOptions } from "./test_node.ts";

/**
 * Runs scripts of a small language over a cluster of cores, and writes down what happens:
 *
 * - `nodes N [name=value …]`: a new cluster of nodes 1 … N, with options of `RaftOptions`
 * - `log N terms=1,1,2 [vote=M] [term=T]`: a node that starts with such a durable log
 * - `join N`: a new node that knows no configuration
 * - `configure N voters[+learners]`: proposes a configuration, such as `1,2,3+4`
 * - `compact N [index]`: takes a snapshot, and drops the log up to it or to `index`
 * - `transfer N to`: hands leadership over
 * - `campaign N`, `propose N data …` (each word one proposal, before one Ready), `read N id …`,
 *   `tick N count` (or `tick all count`), `unreachable N peer`
 * - `deliver [A->B]`: messages in flight arrive now, once; `stabilize [N …]`: until nothing is left
 *   (among these nodes)
 * - `cut A->B …` and `cut N`, `heal`: what is sent there is lost; `lose [A->B]`: what is on the way is lost
 * - `repeat A->B`: what is on the way there will arrive twice; `reverse A->B`: in reverse order
 * - `hold N`: its writes do not become durable; `persist N [count]`; `release N`
 * - `crash N`, `restart N`
 * - `status [N]`, `configuration [N]`, `entries N`, `inflight`: print it
 */
export class Script {
  #nodes = new Map<NodeId, TestNode>();
  #network: TestMessage[] = [];
  readonly #cut = new Set<string>();
  readonly #held = new Set<NodeId>();
  readonly #roles = new Map<NodeId, string>();
  #output: string[] = [];
  #options: TestOptions = {};

  /** Runs one line and returns what happened, a line each. */
  run(line: string): string[] {
    this.#output = [];
    const [command = "", ...args] = line.trim().split(/\s+/);
    this.#execute(command, args);
    this.#work();
    return this.#output;
  }

  #execute(command: string, args: string[]): void {
    const [first = "", ...rest] = args;
    switch (command) {
      case "nodes":
        return this.#create(Number(first), rest);
      case "log":
        return this.#startWithLog(first, rest);
      case "campaign":
        return this.#node(first).raft.campaign();
      case "propose":
        return this.#propose(first, rest);
      case "read":
        return this.#read(first, rest);
      case "tick":
        return this.#tick(first, Number(rest[0] ?? 1));
      case "unreachable":
        return this.#node(first).raft.reportUnreachable(rest[0] ?? "");
      case "join":
        return this.#join(first);
      case "configure":
        return this.#configure(this.#node(first), rest[0] ?? "");
      case "transfer":
        return this.#transfer(this.#node(first), rest[0] ?? "");
      case "compact":
        return this.#compact(this.#node(first), Number(rest[0] ?? Infinity));
      case "configuration":
        return this.#show(first, describeConfiguration);
      case "status":
        return this.#show(first, (node) => [describeStatus(node)]);
      case "entries":
        return this.#show(first, (node) => node.log.durableEntries.map(describeEntry));
      case "inflight":
        return void this.#output.push(...this.#network.map(describeMessage));
      default:
        return this.#executeFault(command, first, args);
    }
  }

  #executeFault(command: string, first: string, args: string[]): void {
    switch (command) {
      case "deliver":
        return this.#deliver((message) => first === "" || linkOf(message) === first);
      case "stabilize":
        return this.#stabilize(args);
      case "cut":
        return args.forEach((link) => this.#cut.add(link));
      case "heal":
        return this.#cut.clear();
      case "lose":
        return void this.#takeInFlight((message) => first === "" || linkOf(message) === first);
      case "repeat":
        return this.#rearrange(first, (messages) => [...messages, ...messages]);
      case "reverse":
        return this.#rearrange(first, (messages) => messages.reverse());
      case "hold":
        return void this.#held.add(first);
      case "release":
        return void this.#held.delete(first);
      case "persist":
        return this.#persist(this.#node(first), Number(args[1] ?? this.#node(first).inFlightCount));
      case "crash":
        return this.#node(first).crash();
      case "restart":
        return this.#node(first).restart();
      default:
        assert(false, `unknown command ${command}`);
    }
  }

  #create(count: number, settings: string[]): void {
    const ids = Array.from({ length: count }, (_, i) => String(i + 1));
    for (const state of [this.#roles, this.#cut, this.#held]) state.clear();
    this.#network = [];
    this.#options = Object.fromEntries(settings.map((setting) => {
      const [name = "", value = ""] = setting.split("=");
      return [name, /^\d+$/.test(value) ? Number(value) : value];
    }));
    const founding = { voters: ids, learners: [] };
    this.#nodes = new Map(
      ids.map((id) => [id, new TestNode(id, founding, this.#events, this.#options)]),
    );
  }

  readonly #events = {
    send: (message: TestMessage) => {
      const isCut = [linkOf(message), message.from, message.to].some((name) => this.#cut.has(name));
      if (!isCut) this.#network.push(message);
    },
    apply: (node: TestNode, entry: Parameters<typeof describeEntry>[0]) =>
      void this.#output.push(`${node.id} applies ${describeEntry(entry)}`),
    restore: (node: TestNode, { index, term, configuration }: TestSnapshot) =>
      void this.#output.push(
        `${node.id} restores ${index}/${term} ${configurationText(configuration)}`,
      ),
    read: (node: TestNode, readId: number, index: number | null) =>
      void this.#output.push(
        `${node.id} read ${readId} ${index === null ? "refused" : `at ${index}`}`,
      ),
  };

  #startWithLog(id: string, settings: string[]): void {
    const values = new Map(settings.map((setting) => setting.split("=") as [string, string]));
    const terms = (values.get("terms") ?? "").split(",").filter((term) => term !== "").map(Number);
    const entries = terms.map((term, i) => ({
      index: i + 1,
      term,
      data: `t${term}`,
      sizeBytes: 2,
    }));
    const hardState = {
      term: Number(values.get("term") ?? terms.at(-1) ?? 0),
      vote: values.get("vote") ?? null,
    };
    const log = new TestLog(hardState, entries);
    const founding = { voters: [...this.#nodes.keys()], learners: [] };
    this.#nodes.set(id, new TestNode(id, founding, this.#events, this.#options, log));
  }

  #join(id: string): void {
    this.#nodes.set(id, new TestNode(id, NO_CONFIGURATION, this.#events, this.#options));
    this.#roles.set(id, "learner");
  }

  #configure(node: TestNode, text: string): void {
    const data = `C:${text}`;
    const refusal = node.raft.configurationRefusal(parseConfiguration(data) ?? NO_CONFIGURATION);
    const index = node.raft.propose([data]);
    assert((index === null) === (refusal !== null), "a refusal has a reason");
    this.#output.push(index === null ? `${data} refused: ${refusal}` : `${data} at ${index}`);
  }

  #transfer(node: TestNode, to: string): void {
    if (!node.raft.transfer(to)) this.#output.push(`no transfer to ${to}`);
  }

  #compact(node: TestNode, index: number): void {
    const snapshot = node.compact(index);
    this.#output.push(snapshot === null ? "nothing new" : `snapshot of ${snapshot.index}`);
  }

  #propose(id: string, data: string[]): void {
    for (const item of data) {
      const index = this.#node(id).raft.propose([item]);
      this.#output.push(index === null ? `${item} refused` : `${item} at ${index}`);
    }
  }

  #read(id: string, readIds: string[]): void {
    for (const readId of readIds) {
      const isAsked = this.#node(id).raft.readIndex(Number(readId));
      if (!isAsked) this.#output.push(`${id} read ${readId}: no leader is known`);
    }
  }

  #tick(who: string, count: number): void {
    const nodes = who === "all" ? [...this.#nodes.values()] : [this.#node(who)];
    for (let i = 0; i < count; i++) {
      for (const node of nodes) if (node.isUp) node.raft.tick();
      this.#work();
    }
  }

  #show(id: string, describe: (node: TestNode) => string[]): void {
    const nodes = id === "" ? [...this.#nodes.values()] : [this.#node(id)];
    for (const node of nodes) this.#output.push(...describe(node));
  }

  #stabilize(ids: string[]): void {
    const isWithin = (message: TestMessage) =>
      ids.length === 0 || (ids.includes(message.from) && ids.includes(message.to));
    this.#work();
    for (let round = 0; this.#network.some(isWithin); round++) {
      assert(round < 100, "the cluster does not settle");
      this.#deliver(isWithin);
    }
  }

  #deliver(isWanted: (message: TestMessage) => boolean): void {
    for (const message of this.#takeInFlight(isWanted)) {
      const node = this.#node(message.to);
      this.#output.push(describeMessage(message) + (node.isUp ? "" : " (lost)"));
      if (node.isUp) node.step(message);
      this.#work();
    }
  }

  #takeInFlight(isWanted: (message: TestMessage) => boolean): TestMessage[] {
    const taken = this.#network.filter(isWanted);
    this.#network = this.#network.filter((message) => !isWanted(message));
    return taken;
  }

  #rearrange(link: string, change: (messages: TestMessage[]) => TestMessage[]): void {
    const changed = change(this.#takeInFlight((message) => linkOf(message) === link));
    this.#network.push(...changed);
  }

  #persist(node: TestNode, count: number): void {
    for (let i = 0; i < count; i++) node.persistNext();
  }

  /** All nodes do what they can. Writes become durable unless they are held. */
  #work(): void {
    for (const node of this.#nodes.values()) {
      if (!node.isUp) continue;
      if (this.#held.has(node.id)) node.pump();
      else node.settle();
      const { role, term } = node.raft.status();
      const before = this.#roles.get(node.id) ?? "follower";
      if (before !== role) this.#output.push(`${node.id} becomes ${role} in term ${term}`);
      this.#roles.set(node.id, role);
    }
  }

  #node(id: string): TestNode {
    const node = this.#nodes.get(id);
    assert(node !== undefined, `no node ${id}`);
    return node;
  }
}

function describeConfiguration(node: TestNode): string[] {
  const { configuration, isConfigurationCommitted } = node.raft.status();
  const text = configurationText(configuration);
  return [`${node.id}: ${text} ${isConfigurationCommitted ? "committed" : "not committed"}`];
}

function linkOf(message: TestMessage): string {
  return `${message.from}->${message.to}`;
}
