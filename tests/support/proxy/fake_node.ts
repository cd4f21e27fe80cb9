import { textOf } from "../../../src/base/byte_string.ts";
import { latin1Bytes } from "../../../src/base/bytes.ts";
import type { Clock } from "../../../src/platform/clock.ts";
import type { Network, Stream } from "../../../src/platform/network.ts";
import { encodeReply, type Protocol } from "../../../src/resp/encode.ts";
import { ErrorReply, MapReply, OK, PushReply, type Reply } from "../../../src/resp/reply.ts";
import { RequestDecoder } from "../../../src/resp/request_decoder.ts";

/** The bound of memory that each fake node reports. */
export const MEMORY_BYTES_MAX = 5_000_000;

/**
 * The state that all fake nodes of a cluster share: the data, as if replicated, and the addresses.
 */
export class FakeCluster {
  readonly data = new Map<string, string>();
  readonly nodes: FakeNode[] = [];
  /** Executed writes in order, as `SET key value`. */
  readonly executed: string[] = [];
  /** Open sessions, with the replies to the serials that were executed. */
  readonly sessions = new Map<string, FakeSession>();
  /** Maximum number of open sessions. */
  sessionsMax = Infinity;
  openedCount = 0;
  /** The newest term. A leader of an older term finds out when it next needs a majority. */
  term = 0;
  leader: FakeNode | null = null;

  constructor(readonly network: Network, readonly clock: Clock) {}

  /**
   * Starts nodes n1, n2… at 10.0.0.1:7001, …; n1 leads in term 1.
   *
   * @param host used instead, with ports that the network chooses
   */
  start(count: number, host?: string): void {
    for (let number = 1; number <= count; number++) {
      const node = host === undefined
        ? new FakeNode(this, `n${number}`, `10.0.0.${number}`, 7000 + number)
        : new FakeNode(this, `n${number}`, host, 0);
      this.nodes.push(node);
    }
    this.elect(0, 1);
  }

  node(index: number): FakeNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`Cannot find node: current value is ${index}`);
    return node;
  }

  /** Makes a node leader. Nodes that run and are not stopped learn of it. */
  elect(index: number, term: number): void {
    const leader = this.node(index);
    this.term = term;
    this.leader = leader;
    for (const node of this.nodes) if (!node.isDown && !node.isStopped) node.catchUp();
  }
}

export interface FakeState {
  readonly role: "leader" | "follower" | "candidate";
  readonly term: number;
  readonly leaderId: string | null;
  readonly isServing: boolean;
}

export interface FakeSession {
  floor: number;
  readonly replies: Map<number, Reply>;
}

/** The stamp that `ONCE` puts in front of a request. */
export interface FakeStamp {
  readonly session: string;
  readonly serial: number;
  readonly acked: number;
}

export interface FakeRequest {
  /** The arguments without the stamp. */
  readonly args: readonly string[];
  readonly stamp: FakeStamp | null;
  readonly connection: FakeConnection;
  /** The answer, if the request was executed already. */
  readonly answer?: Reply;
}

/** Speaks enough of a node's RESP to be used by a proxy, and misbehaves on demand. */
export class FakeNode {
  state: FakeState = { role: "follower", term: 0, leaderId: null, isServing: false };
  isStopped = false;
  isDown = false;
  /** Data commands are not answered until `release`. */
  isHolding = false;
  /** `CLUSTER FENCE` is refused in every term. */
  refusesFence = false;
  /** `CLUSTER FENCE` is not answered. */
  ignoresFence = false;
  /** Sent in place of each state; `null`: the state is sent. */
  babble: string | null = null;
  /** Refuses the next `SET`, as if it had no room. */
  refusesNextWrite = false;
  /** Refuses only the next read, as if nobody had confirmed it in time. */
  refusesNextRead = false;
  /** Refuses all requests, though the node reports that it is well. */
  refusesAll = false;
  /** Executes data commands at once, but delays their replies until `release`. */
  isMute = false;
  clusterId = "this";
  /** Duration of a data command. */
  delayMs = 0;
  /** The address that other nodes give out for this node. */
  host: string;
  port: number;
  /** Data commands in the order of their arrival, without the proxy's own requests. */
  readonly received: FakeRequest[] = [];
  readonly held: FakeRequest[] = [];
  readonly connections = new Set<FakeConnection>();
  #close: () => void = () => {};

  constructor(readonly cluster: FakeCluster, readonly id: string, host: string, port: number) {
    this.host = host;
    this.port = port;
    this.listen();
  }

  get address(): string {
    return `${this.host}:${this.port}`;
  }

  listen(): void {
    this.isDown = false;
    const address = { host: this.host, port: this.port };
    this.cluster.network.listen(address, (stream) => this.accept(stream))
      .then((listener) => {
        this.port = listener.address.port;
        this.#close = () => listener.close();
      });
  }

  /** Learns of the newest term. */
  catchUp(): void {
    const { term, leader } = this.cluster;
    const role = this === leader ? "leader" : "follower";
    this.become({ role, term, leaderId: leader?.id ?? null, isServing: leader !== null });
  }

  accept(stream: Stream): void {
    if (this.isDown) return stream.close();
    this.connections.add(new FakeConnection(this, stream));
  }

  become(state: FakeState): void {
    this.state = state;
    for (const connection of this.connections) connection.pushState();
  }

  /** Acts as after `kill -9`. */
  kill(): void {
    this.isDown = true;
    this.isStopped = false;
    this.#close();
    for (const connection of this.connections) connection.stream.close();
    this.connections.clear();
    this.held.length = 0;
  }

  /**
   * The machine loses power and comes back: its old connections are dead, and no peer was notified.
   */
  vanish(): void {
    for (const connection of this.connections) connection.isDead = true;
    this.connections.clear();
    this.held.length = 0;
  }

  /** Acts as after `kill -STOP`: connections stay open, and nothing is answered. */
  stop(): void {
    this.isStopped = true;
  }

  /** Acts as after `kill -CONT`. */
  resume(): void {
    this.isStopped = false;
    for (const connection of this.connections) connection.resume();
  }

  /** Answers the held data commands, or the first few of them. */
  release(count = Infinity): void {
    for (const request of this.held.splice(0, Math.min(count, this.held.length))) {
      request.connection.reply(
        request.answer === undefined ? this.execute(request) : request.answer,
      );
    }
  }

  take(request: FakeRequest): void {
    if (!isOfTheProxy(request)) this.received.push(request);
    const isBusy = request.connection.busyUntilMs > this.cluster.clock.monotonicMs();
    const isMute = this.isMute && this.held.every(({ answer }) => answer !== undefined);
    if (isBusy) this.#executeInTime(request); // what came earlier is executed earlier
    else if (isMute) this.held.push({ ...request, answer: this.execute(request) });
    else if (this.isHolding || this.isMute || this.#holdsOn(request.connection)) {
      this.held.push(request);
    } else this.#executeInTime(request);
  }

  /** Keeps the answers of one connection in order. */
  #holdsOn(connection: FakeConnection): boolean {
    return this.held.some((request) => request.connection === connection);
  }

  #executeInTime(request: FakeRequest): void {
    const { clock } = this.cluster;
    const { connection } = request;
    const atMs = Math.max(connection.busyUntilMs, clock.monotonicMs() + this.delayMs);
    connection.busyUntilMs = atMs;
    const execute = () => {
      if (!this.isDown) connection.reply(this.execute(request));
    };
    if (atMs > clock.monotonicMs()) clock.after(atMs - clock.monotonicMs(), execute);
    else execute();
  }

  execute(request: FakeRequest): Reply {
    const { connection } = request;
    if (this.state.term < this.cluster.term) this.catchUp();
    const { role, term } = this.state;
    const fence = connection.fenceTerm;
    if (fence !== null && !(role === "leader" && term === fence)) return this.#refusal();
    if (this.refusesAll) {
      connection.hasRefused ||= fence !== null && request.args[0] === "SET";
      return new ErrorReply("TRYAGAIN Not now");
    }
    if (this.refusesNextRead && request.args[0] === "GET") {
      this.refusesNextRead = false;
      return new ErrorReply("CLUSTERDOWN No leader confirmed the read");
    }
    if (connection.hasRefused) return new ErrorReply("TRYAGAIN An earlier write was refused");
    if (this.refusesNextWrite && request.args[0] === "SET") {
      this.refusesNextWrite = false;
      connection.hasRefused = fence !== null;
      return new ErrorReply("TRYAGAIN Too many bytes of writes are in flight");
    }
    return request.stamp === null ? this.#run(request.args) : this.#once(request.stamp, request);
  }

  #once({ session: id, serial, acked }: FakeStamp, { args }: FakeRequest): Reply {
    if (this.state.role !== "leader") return this.#refusal();
    const session = this.cluster.sessions.get(id);
    if (session === undefined) return new ErrorReply(`NOSESSION No session '${id}'`);
    session.floor = Math.max(session.floor, acked);
    if (serial <= session.floor) return new ErrorReply(`STALE Serial ${serial} is forgotten`);
    const kept = session.replies.get(serial);
    if (kept !== undefined) return kept;
    const reply = this.#run(args);
    session.replies.set(serial, reply);
    return reply;
  }

  #run(args: readonly string[]): Reply {
    const [name = "", key = "", value = ""] = args;
    const { role, isServing } = this.state;
    const { data, executed } = this.cluster;
    switch (name.toUpperCase()) {
      case "SET":
        if (role !== "leader") return this.#refusal();
        data.set(key, value);
        executed.push(args.join(" "));
        return OK;
      case "GET":
        return isServing ? data.get(key) ?? null : new ErrorReply("CLUSTERDOWN no leader");
      case "EXISTS":
        if (!isServing) return new ErrorReply("CLUSTERDOWN no leader");
        return data.has(key) ? 1 : 0;
      case "KEYS":
        return isServing ? [...data.keys()] : new ErrorReply("CLUSTERDOWN no leader");
      case "WAIT":
        return role === "leader" ? 2 : this.#refusal();
      case "SESSION":
        return role === "leader" ? this.#session(key, value) : this.#refusal();
      default:
        return new ErrorReply("ERR unknown command");
    }
  }

  #session(subcommand: string, id: string): Reply {
    const { cluster } = this;
    if (subcommand === "CLOSE") return cluster.sessions.delete(id) ? 1 : 0;
    if (cluster.sessions.size >= cluster.sessionsMax) {
      return new ErrorReply("ERR too many sessions");
    }
    const opened = `s${++cluster.openedCount}`;
    cluster.sessions.set(opened, { floor: 0, replies: new Map() });
    return opened;
  }

  #refusal(): ErrorReply {
    const { role, leaderId } = this.state;
    if (role === "leader") return new ErrorReply("TRYAGAIN The leader changed");
    return leaderId === null || leaderId === this.id
      ? new ErrorReply("CLUSTERDOWN no leader")
      : new ErrorReply(`MOVED 1 ${this.cluster.nodes.find(({ id }) => id === leaderId)?.address}`);
  }
}

/** One accepted connection of a fake node. */
export class FakeConnection {
  fenceTerm: number | null = null;
  /** Whether it has refused a write of a fenced connection. */
  hasRefused = false;
  isDead = false;
  protocol: Protocol = 2;
  /** When the last delayed answer is due. */
  busyUntilMs = 0;
  /** Chunks in the order of arrival, which show what was sent in one write. */
  readonly chunks: number[] = [];
  readonly #decoder = new RequestDecoder();
  #isWatching = false;
  #unread: Uint8Array[] = [];

  constructor(readonly node: FakeNode, readonly stream: Stream) {
    stream.handle({
      onOpen() {},
      onData: (bytes) => this.#received(bytes),
      onClose: () => node.connections.delete(this),
    });
  }

  reply(reply: Reply): void {
    this.stream.write(latin1Bytes(encodeReply(reply, this.protocol)));
  }

  resume(): void {
    for (const bytes of this.#unread.splice(0)) this.#received(bytes);
    this.pushState();
  }

  pushState(): void {
    if (!this.#isWatching || this.node.isStopped || this.node.isDown) return;
    const { id, clusterId, state, cluster, babble } = this.node;
    if (babble !== null) return this.stream.write(latin1Bytes(babble));
    const leader = cluster.nodes.find((node) => node.id === state.leaderId);
    this.reply(
      new PushReply([
        "regent-state",
        new MapReply([
          ["id", id],
          ["cluster-id", clusterId],
          ["role", state.role],
          ["term", state.term],
          ["leader-id", state.leaderId ?? ""],
          ["leader-address", leader?.address ?? ""],
          ["commit-index", 1],
          ["applied-index", 1],
          ["serving", state.isServing ? 1 : 0],
          ["queue", 0],
          ["memory-bytes-max", MEMORY_BYTES_MAX],
          ["nodes", cluster.nodes.map((node) => [node.id, node.address])],
        ]),
      ]),
    );
  }

  #received(bytes: Uint8Array): void {
    if (this.isDead) return;
    if (this.node.isStopped) {
      this.#unread.push(bytes);
      return;
    }
    this.chunks.push(bytes.length);
    this.#decoder.push(bytes);
    for (let next = this.#decoder.next(); next.kind === "complete"; next = this.#decoder.next()) {
      this.#handle(next.args.map(textOf));
    }
  }

  #handle(args: string[]): void {
    const command = args.slice(0, 2).join(" ");
    if (command === "HELLO 3") {
      this.protocol = 3;
      this.reply(new MapReply([["proto", 3]]));
    } else if (command === "CLUSTER WATCH") this.#watch(Number(args[2]));
    else if (command === "CLUSTER FENCE") this.#fence(Number(args[2]));
    else this.node.take({ ...unwrapped(args), connection: this });
  }

  #watch(intervalMs: number): void {
    this.#isWatching = true;
    this.reply(OK);
    const beat = () => {
      if (!this.node.connections.has(this)) return;
      this.pushState();
      this.node.cluster.clock.after(intervalMs, beat);
    };
    beat();
  }

  #fence(term: number): void {
    this.fenceTerm = term;
    const { role, term: current } = this.node.state;
    if (this.node.ignoresFence) return;
    const leads = role === "leader" && current === term && !this.node.refusesFence;
    this.reply(leads ? OK : new ErrorReply("TRYAGAIN The leader changed"));
  }
}

function isOfTheProxy({ args: [name, key] }: FakeRequest): boolean {
  return name === "SESSION" || key === "regent:probe";
}

function unwrapped(args: readonly string[]): Pick<FakeRequest, "args" | "stamp"> {
  const [name, session = "", serials = ""] = args;
  if (name !== "ONCE") return { args, stamp: null };
  const [serial, acked] = serials.split("/").map(Number);
  return { args: args.slice(3), stamp: { session, serial: serial ?? 0, acked: acked ?? 0 } };
}
