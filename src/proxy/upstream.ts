import type { ByteString } from "../base/byte_string.ts";
import { messageOf } from "../base/errors.ts";
import { replyTooLarge } from "../commands/command_error.ts";
import {
  type Asker,
  BatchPacer,
  type BatchStatus,
  FULL_BATCH_BYTES,
  LONG_WAY_MS,
} from "../node/clients/batch_pacer.ts";
import type { Clock } from "../platform/clock.ts";
import type { Address, Network, Stream } from "../platform/network.ts";
import { encodeReply, encodeRequest, type Protocol } from "../resp/encode.ts";
import { ReplyScanner } from "../resp/reply_scanner.ts";
import { Fifo } from "./fifo.ts";
import type { ProxyLimits } from "./limits.ts";
import type { ProxyRequest } from "./proxy_request.ts";
import type { NodeView } from "./topology.ts";

/** Batches under way on one connection when the way to the node is long. */
const UNDER_WAY_MAX = 16;

/** A connection whose requests leave in batches. */
export interface BatchSender {
  /** Requests that have not left, and their length. */
  readonly openCount: number;
  readonly openBytes: number;
  /** It can send. */
  readonly isReady: boolean;
  /** Batches that are not answered whole. */
  readonly batchesUnderWay: number;
  /** When the newest of them left. */
  readonly newestLeftMs: number;
  /** Sends what is open, as one batch. */
  sendOpen(): void;
}

/**
 * Decides when the requests of a connection leave, or those of several to which the same clients'
 * requests go. A batch costs a node the same however little is in it, so what three nodes could do
 * goes to one of them, and what comes next to another, as long as it is not too much for one.
 */
export class Batching {
  readonly #clock: Clock;
  readonly #requestsMax: number;
  readonly #pacer: BatchPacer;
  readonly #senders = new Set<BatchSender>();

  /** @param requestsMax so many are enough for a batch */
  constructor(clock: Clock, requestsMax = Infinity) {
    this.#clock = clock;
    this.#requestsMax = requestsMax;
    this.#pacer = new BatchPacer(clock, UNDER_WAY_MAX, () => this.flush());
  }

  /** @returns whether `flush` is to be called soon, a request of this client having been added */
  add(sender: BatchSender, client: Asker): boolean {
    this.#senders.add(sender);
    this.#pacer.noteRequest(client);
    return this.#pacer.mayBeDue(this.#statusOf(sender));
  }

  /** Whether a sender has enough for a batch. */
  isFull({ openCount, openBytes }: BatchSender): boolean {
    return openCount >= this.#requestsMax || openBytes >= FULL_BATCH_BYTES;
  }

  /** Sends what is to leave by now. */
  flush(): void {
    for (const sender of this.#senders) {
      if (sender.openCount === 0 || !sender.isReady) continue;
      if (this.#pacer.isDue(this.#statusOf(sender))) sender.sendOpen();
    }
  }

  /** A batch was answered, these requests with it. */
  noteAnswers(requests: readonly { readonly client: Asker }[]): void {
    this.#pacer.noteAnswers(requests);
    this.flush();
  }

  /** The connection has ended. */
  remove(sender: BatchSender): void {
    this.#senders.delete(sender);
    this.flush();
  }

  /** A node that keeps its answers to itself for long holds up its own connection alone. */
  #statusOf(sender: BatchSender): BatchStatus {
    const isFull = this.isFull(sender);
    if (isFull || this.#senders.size === 1) {
      const { batchesUnderWay, newestLeftMs } = sender;
      return { isFull, underWayCount: batchesUnderWay, newestSinceMs: newestLeftMs };
    }
    const longAgoMs = this.#clock.monotonicMs() - LONG_WAY_MS;
    let underWayCount = 0;
    let newestSinceMs = -Infinity;
    for (const one of this.#senders) {
      if (one.batchesUnderWay === 0 || (one !== sender && one.newestLeftMs <= longAgoMs)) continue;
      underWayCount += one.batchesUnderWay;
      newestSinceMs = Math.max(newestSinceMs, one.newestLeftMs);
    }
    return { isFull, underWayCount, newestSinceMs };
  }
}

export interface UpstreamOptions {
  readonly node: NodeView;
  readonly address: Address;
  readonly protocol: Protocol;
  /** The term in which the node has to lead for anything to be executed; `null`: whatever it is. */
  readonly fenceTerm: number | null;
  /** For one request alone. */
  readonly isDedicated: boolean;
  /** When requests leave; shared with the connections that could take them as well. */
  readonly batching: Batching;
  readonly network: Network;
  readonly clock: Clock;
  readonly limits: ProxyLimits;
  readonly events: UpstreamEvents;
}

export interface UpstreamEvents {
  /** It takes requests now. */
  ready(upstream: Upstream): void;
  /** The oldest request under way got its answer. */
  answered(upstream: Upstream, request: ProxyRequest, text: string): void;
  /** The proxy's own read was answered. */
  probed(upstream: Upstream, text: string): void;
  /** All answers that had arrived are handed out. */
  settled(upstream: Upstream): void;
  /** Once. What was under way is to be taken with `takeLost`. */
  closed(upstream: Upstream, reason: string): void;
}

/** The proxy's own read: a node that answers it has caught up and hears a leader. */
const PROBE = encodeRequest(["EXISTS", "regent:probe"]);
const NO_REST: readonly string[] = [];

/** A request that its connection took with it. */
export interface LostRequest {
  readonly request: ProxyRequest;
  /** It was handed to the operating system, so that it may have been executed. */
  readonly wasWritten: boolean;
}

/**
 * One pipelined connection to a node, shared by clients. Answers are matched by their order alone;
 * whenever that is in doubt, the connection is destroyed. Requests of many clients leave in one write.
 */
export class Upstream implements BatchSender {
  readonly node: NodeView;
  readonly isDedicated: boolean;
  readonly protocol: Protocol;
  readonly fenceTerm: number | null;
  /** Set from outside: new requests may go here. */
  isAccepting = true;
  /** A fenced connection on which the node has refused a request: it is not used any further. */
  isSpent = false;
  /** The node said that it does not lead: behind that, nothing was executed on a fenced connection. */
  isOver = false;
  /** The node ended it, or did not keep to the protocol, or never answered. */
  isBroken = false;
  /**
   * For reads: the node has answered some of the proxy's own since it became able to, clients' may
   * follow. Fenced: it has done something that it was asked.
   */
  isProven = false;
  /** The first of them was answered. */
  isConfirmed = false;
  /** When the proxy's own read was sent last. */
  probedMs = -Infinity;
  probeNotBeforeMs = -Infinity;
  /** Since when it is given up unless something comes: a new connection has taken its place. */
  replacedMs: number | null = null;
  /** When something came last. */
  heardMs = -Infinity;
  /** When the request answered last was sent; `NaN` when that was looked at already. */
  answeredSentMs = NaN;
  newestLeftMs = -Infinity;
  readonly createdMs: number;
  readonly #options: UpstreamOptions;
  readonly #stream: Stream;
  readonly #scanner: ReplyScanner;
  /** `null` where the request has been taken back. */
  readonly #underWay = new Fifo<ProxyRequest | null>();
  readonly #batching: Batching;
  readonly #flush = () => {
    this.#isFlushing = false;
    this.#batching.flush();
  };
  #isFlushing = false;
  /** The batches under way, by how many of their requests are not answered yet. */
  readonly #batches = new Fifo<number>();
  /** Of batches that are not answered whole yet, or just so. */
  #answeredRequests: ProxyRequest[] = [];
  #bytesUnderWay = 0;
  /** How many answers come before that to the proxy's own read; negative while there is none. */
  #beforeProbe = -1;
  #greetingsMissing: number;
  /** What leaves next: the pieces, in which long arguments stand alone, and the text after them. */
  #pieces: ByteString[] = [];
  #piecesBytes = 0;
  #output = "";
  #outputCount = 0;
  #state: "opening" | "ready" | "closed" = "opening";

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.node = options.node;
    this.isDedicated = options.isDedicated;
    this.createdMs = options.clock.monotonicMs();
    this.protocol = options.protocol;
    this.fenceTerm = options.fenceTerm;
    const { replyBytesMax } = options.limits;
    const oversizedText = encodeReply(replyTooLarge(replyBytesMax).reply, options.protocol);
    this.#scanner = new ReplyScanner({ replyBytesMax, oversizedText });
    this.#batching = options.batching;
    const greetings = greetingsFor(options);
    this.#greetingsMissing = greetings.length;
    this.#stream = options.network.connect(options.address, {
      onOpen: () => this.#opened(greetings),
      onData: (bytes) => this.#received(bytes),
      onClose: (reason) => this.#closed(reason, true),
    });
  }

  get isReady(): boolean {
    return this.#state === "ready";
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  /** Requests sent and not answered, those taken back included. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** Since when the oldest request has been waiting for its answer; `Infinity` when none does. */
  get oldestSentMs(): number {
    for (let i = 0; i < this.#underWay.size; i++) {
      const request = this.#underWay.at(i);
      if (request) return request.sentMs;
    }
    return Infinity;
  }

  /** Whether a request has to wait until answers return. A large one goes when nothing else does. */
  isFullFor(bytes: number): boolean {
    const { windowRequestsMax, windowBytesMax } = this.#options.limits;
    const size = this.#underWay.size;
    return size >= windowRequestsMax || (size > 0 && this.#bytesUnderWay + bytes > windowBytesMax);
  }

  /** Bytes of the requests that are not answered yet. */
  get bytesUnderWay(): number {
    return this.#bytesUnderWay;
  }

  get openCount(): number {
    return this.#outputCount;
  }

  get openBytes(): number {
    return this.#piecesBytes + this.#output.length;
  }

  get batchesUnderWay(): number {
    return this.#batches.size;
  }

  /** Whether requests wait to leave that one more could leave with. */
  get isGathering(): boolean {
    return this.#outputCount > 0 && !this.#batching.isFull(this) && !this.isFullFor(0);
  }

  send(request: ProxyRequest): void {
    this.#underWay.push(request);
    this.#bytesUnderWay += request.bytes;
    this.#output += request.text;
    if (request.requestRest.length > 0) this.#addPieces(request.requestRest);
    this.#outputCount++;
    if (!this.#batching.add(this, request.client) || this.#isFlushing) return;
    this.#isFlushing = true;
    this.#options.clock.soon(this.#flush);
  }

  #addPieces(pieces: readonly ByteString[]): void {
    this.#pieces.push(this.#output, ...pieces);
    this.#piecesBytes += this.#output.length;
    for (const piece of pieces) this.#piecesBytes += piece.length;
    this.#output = "";
  }

  sendOpen(): void {
    const pieces = this.#pieces;
    const text = this.#output;
    this.#batches.push(this.#outputCount);
    this.newestLeftMs = this.#options.clock.monotonicMs();
    this.#output = "";
    this.#outputCount = 0;
    if (pieces.length > 0) {
      this.#pieces = [];
      this.#piecesBytes = 0;
      for (const piece of pieces) this.#stream.write(piece);
    }
    if (text !== "") this.#stream.write(text);
  }

  get isProbing(): boolean {
    return this.#beforeProbe >= 0;
  }

  /** Asks the node something of the proxy's own. It must be ready, and not asked already. */
  probe(nowMs: number): void {
    this.probedMs = nowMs;
    this.#beforeProbe = this.#underWay.size;
    this.#underWay.push(null);
    this.#output += PROBE;
    this.#outputCount++;
    this.sendOpen();
  }

  /** Requests under way, oldest first, without those taken back. */
  *requests(): Iterable<ProxyRequest> {
    for (let i = 0; i < this.#underWay.size; i++) {
      const request = this.#underWay.at(i);
      if (request) yield request;
    }
  }

  /** Takes back the requests that `wants` picks; their answers, should they come, are dropped. */
  takeBack(wants: (request: ProxyRequest) => boolean): LostRequest[] {
    const taken: LostRequest[] = [];
    const writtenCount = this.#underWay.size - this.#outputCount;
    for (let i = 0; i < this.#underWay.size; i++) {
      const request = this.#underWay.at(i);
      if (!request || !wants(request)) continue;
      taken.push({ request, wasWritten: i < writtenCount });
      this.#bytesUnderWay -= request.bytes;
      this.#underWay.replace(i, null);
    }
    return taken;
  }

  /** After the end: what was under way, oldest first. */
  takeLost(): LostRequest[] {
    const lost: LostRequest[] = [];
    const writtenCount = this.#underWay.size - this.#outputCount;
    for (let i = 0; i < this.#underWay.size; i++) {
      const request = this.#underWay.at(i);
      if (request) lost.push({ request, wasWritten: i < writtenCount });
    }
    while (this.#underWay.size > 0) this.#underWay.shift();
    return lost;
  }

  /** @param isNodesFault whether the node is to blame */
  destroy(reason: string, isNodesFault = false): void {
    if (this.#state === "closed") return;
    this.#stream.close();
    this.#closed(reason, isNodesFault);
  }

  #opened(greetings: readonly string[]): void {
    if (greetings.length > 0) this.#stream.write(greetings.join(""));
    else this.#becomeReady();
  }

  #becomeReady(): void {
    this.#state = "ready";
    this.#options.events.ready(this);
    this.#batching.flush();
  }

  #received(bytes: Uint8Array): void {
    if (this.#state === "closed") return;
    this.heardMs = this.#options.clock.monotonicMs();
    try {
      this.#readReplies(bytes);
    } catch (error) {
      this.destroy(`sent what could not be handled: ${messageOf(error)}`, true);
    }
  }

  #readReplies(bytes: Uint8Array): void {
    this.#scanner.push(bytes);
    let answers = 0;
    let scanned = this.#scanner.next();
    for (; scanned.kind === "complete"; scanned = this.#scanner.next()) {
      if (this.#greetingsMissing > 0) {
        this.#greeted(scanned.text);
      } else {
        this.#answered(scanned.text, scanned.rest ?? NO_REST);
        answers++;
      }
      if (this.isClosed) return;
    }
    if (scanned.kind === "invalid") {
      return this.destroy(`sent what is no RESP: ${scanned.error}`, true);
    }
    this.#countAnswers(answers);
    this.#options.events.settled(this);
  }

  /** So many answers more have come, in the order of the batches. */
  #countAnswers(count: number): void {
    let left = count;
    let isOneOver = false;
    for (
      let open = this.#batches.at(0);
      open !== undefined && left > 0;
      open = this.#batches.at(0)
    ) {
      if (left < open) this.#batches.replace(0, open - left);
      else this.#batches.shift();
      isOneOver ||= left >= open;
      left -= open;
    }
    if (!isOneOver) return;
    const answered = this.#answeredRequests;
    this.#answeredRequests = [];
    this.#batching.noteAnswers(answered);
  }

  #greeted(text: string): void {
    if (text.startsWith("-")) return this.destroy(`refused: ${text.slice(1).trimEnd()}`);
    this.#greetingsMissing--;
    if (this.#greetingsMissing === 0) this.#becomeReady();
  }

  #answered(text: string, rest: readonly string[]): void {
    const isPush = text.charCodeAt(0) === 0x3e;
    const request = isPush ? undefined : this.#underWay.shift();
    if (request === undefined) return this.destroy("sent a reply that nobody asked for", true);
    if (this.#beforeProbe >= 0 && this.#beforeProbe-- === 0) {
      return this.#options.events.probed(this, text);
    }
    if (request === null) return;
    this.#bytesUnderWay -= request.bytes;
    this.answeredSentMs = request.sentMs;
    this.#answeredRequests.push(request);
    request.rest = rest;
    this.#options.events.answered(this, request, text);
  }

  #closed(reason: string, isNodesFault: boolean): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.isBroken = isNodesFault;
    this.#pieces = [];
    this.#output = "";
    this.#batching.remove(this);
    this.#options.events.closed(this, reason);
  }
}

function greetingsFor({ protocol, fenceTerm }: UpstreamOptions): string[] {
  const greetings: string[] = [];
  if (protocol === 3) greetings.push(encodeRequest(["HELLO", "3"]));
  if (fenceTerm !== null) greetings.push(encodeRequest(["CLUSTER", "FENCE", String(fenceTerm)]));
  return greetings;
}
