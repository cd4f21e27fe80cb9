import type { ClusterSecret } from "../access/peer_proof.ts";
import type { ByteString } from "../base/byte_string.ts";
import { messageOf } from "../base/errors.ts";
import { Fifo } from "../base/queues.ts";
import { replyTooLarge } from "../commands/command_error.ts";
import {
  BatchPacer,
  type BatchStatus,
  FULL_BATCH_BYTES,
  type PacedClient,
  SLOW_BATCH_MS,
} from "../node/clients/batch_pacer.ts";
import type { Clock } from "../platform/clock.ts";
import type { Address, Network, Stream } from "../platform/network.ts";
import { encodeReply, encodeRequest, type Protocol } from "../resp/encode.ts";
import { ReplyScanner } from "../resp/reply_scanner.ts";
import { Greeting } from "./greeting.ts";
import type { ProxyLimits } from "./limits.ts";
import type { ProxyRequest } from "./proxy_request.ts";
import type { NodeView } from "./topology.ts";

/** Maximum number of batches in flight on one connection, which only long round trips reach. */
const BATCHES_IN_FLIGHT_MAX = 16;

/** A connection whose requests leave in batches. */
export interface BatchSender {
  /** Number of requests that are not sent yet, and their bytes. */
  readonly openCount: number;
  readonly openBytes: number;
  /** Whether it can send. */
  readonly isReady: boolean;
  /** Number of batches whose requests are not all answered. */
  readonly batchesInFlight: number;
  /** When the newest of them was sent. */
  readonly newestSentMs: number;
  /** Sends the open requests as one batch. */
  sendOpen(): void;
}

/**
 * Decides when the requests of a connection are sent. Connections that could carry the same
 * requests share one `Batching`. A batch costs a node about the same whatever its size. So requests
 * that any of three nodes could serve are collected for one of them until they fill a batch, and
 * the next batch goes to another.
 */
export class Batching {
  readonly #clock: Clock;
  readonly #requestsMax: number;
  readonly #pacer: BatchPacer;
  readonly #senders = new Set<BatchSender>();

  /** @param requestsMax number of requests that make a full batch */
  constructor(clock: Clock, requestsMax = Infinity) {
    this.#clock = clock;
    this.#requestsMax = requestsMax;
    this.#pacer = new BatchPacer(clock, BATCHES_IN_FLIGHT_MAX, () => this.flush());
  }

  /** Notes a request of this client. @returns whether the caller should call `flush` soon */
  add(sender: BatchSender, client: PacedClient): boolean {
    this.#senders.add(sender);
    this.#pacer.noteRequest(client);
    return this.#pacer.mayBeDue(this.#statusOf(sender));
  }

  /** Whether a sender has a full batch. */
  isFull({ openCount, openBytes }: BatchSender): boolean {
    return openCount >= this.#requestsMax || openBytes >= FULL_BATCH_BYTES;
  }

  /** Sends the batches that are due. */
  flush(): void {
    for (const sender of this.#senders) {
      if (sender.openCount === 0 || !sender.isReady) continue;
      if (this.#pacer.isDue(this.#statusOf(sender))) sender.sendOpen();
    }
  }

  /** All requests of a batch are answered, these among them. */
  noteAnswers(requests: readonly { readonly client: PacedClient }[]): void {
    this.#pacer.noteAnswers(requests);
    this.flush();
  }

  /** The connection has ended. */
  remove(sender: BatchSender): void {
    this.#senders.delete(sender);
    this.flush();
  }

  /**
   * The batches in flight on all connections together, without those that another node has not
   * answered for long: a slow node delays its own connection only.
   */
  #statusOf(sender: BatchSender): BatchStatus {
    const isFull = this.isFull(sender);
    if (isFull || this.#senders.size === 1) {
      const { batchesInFlight, newestSentMs } = sender;
      return { isFull, batchesInFlight, newestSentMs };
    }
    const longAgoMs = this.#clock.monotonicMs() - SLOW_BATCH_MS;
    let batchesInFlight = 0;
    let newestSentMs = -Infinity;
    for (const one of this.#senders) {
      if (one.batchesInFlight === 0 || (one !== sender && one.newestSentMs <= longAgoMs)) continue;
      batchesInFlight += one.batchesInFlight;
      newestSentMs = Math.max(newestSentMs, one.newestSentMs);
    }
    return { isFull, batchesInFlight, newestSentMs };
  }
}

export interface UpstreamOptions {
  readonly node: NodeView;
  readonly address: Address;
  readonly protocol: Protocol;
  /** The node executes requests only while it leads in this term; `null`: at any time. */
  readonly fenceTerm: number | null;
  /** Whether it carries a single request. */
  readonly isDedicated: boolean;
  /** Decides when requests are sent; shared with the connections that could take them as well. */
  readonly batching: Batching;
  readonly network: Network;
  readonly clock: Clock;
  readonly limits: ProxyLimits;
  readonly events: UpstreamEvents;
  /** By which this process proves itself to the node. */
  readonly secret: ClusterSecret | null;
}

export interface UpstreamEvents {
  /** The connection takes requests now. */
  onReady(upstream: Upstream): void;
  /** The oldest request in flight got its answer. */
  onAnswer(upstream: Upstream, request: ProxyRequest, text: string): void;
  /** The probe was answered. */
  onProbeAnswer(upstream: Upstream, text: string): void;
  /** All answers that had arrived are delivered. */
  onDelivered(upstream: Upstream): void;
  /** The connection has ended. Take its requests in flight with `takeLost`. */
  onClose(upstream: Upstream, reason: string): void;
}

/**
 * The probe, a read of the proxy's own: a node that answers it has caught up and hears a leader.
 */
const PROBE = encodeRequest(["EXISTS", "regent:probe"]);
const NO_REST: readonly ByteString[] = [];

/** A request that was in flight on a connection that has ended. */
export interface LostRequest {
  readonly request: ProxyRequest;
  /** Whether it was handed to the operating system, so that it may have been executed. */
  readonly wasWritten: boolean;
}

/**
 * One pipelined connection to a node, shared by clients. Answers are matched to requests by their
 * order alone. Whenever that is in doubt, the connection is destroyed.
 */
export class Upstream implements BatchSender {
  readonly node: NodeView;
  readonly isDedicated: boolean;
  readonly protocol: Protocol;
  readonly fenceTerm: number | null;
  /** Whether new requests may be sent here. Set by its owners. */
  isAccepting = true;
  /**
   * Whether it gets no new requests any more, since the node refused one on this fenced connection,
   * or does not know the outcome of one, or since another connection has replaced it.
   */
  isDraining = false;
  /**
   * Whether the node refused a request on this fenced connection, with the promise that nothing
   * after it was executed.
   */
  executesNothingMore = false;
  /** Whether the node closed it, broke the protocol, or did not answer in time. */
  isBroken = false;
  /** Whether the proxy closed it because the node broke the protocol or did not answer in time. */
  isNodesFault = false;
  /**
   * For reads: whether the node has answered two probes since it became readable, so that clients'
   * reads may follow. Fenced: whether it has executed a request.
   */
  isHealthy = false;
  /** Whether the first probe was answered. */
  hasPassedProbe = false;
  /** When the last probe was sent. */
  probedMs = -Infinity;
  probeNotBeforeMs = -Infinity;
  /**
   * When a new connection replaced it. It is closed unless something arrives soon after that.
   */
  replacedMs: number | null = null;
  /** When bytes last arrived. */
  heardMs = -Infinity;
  /** When the last answered request was sent; `NaN` once it has been taken into account. */
  answeredSentMs = NaN;
  newestSentMs = -Infinity;
  readonly createdMs: number;
  readonly #options: UpstreamOptions;
  readonly #stream: Stream;
  readonly #scanner: ReplyScanner;
  /** The requests in flight; `null` for a probe, or for one that was taken back. */
  readonly #inFlight = new Fifo<ProxyRequest | null>();
  readonly #batching: Batching;
  readonly #flush = () => {
    this.#isFlushing = false;
    this.#batching.flush();
  };
  #isFlushing = false;
  /** For each batch in flight, how many of its requests are not answered yet. */
  readonly #batches = new Fifo<number>();
  /** Requests answered since a batch was last complete. */
  #answeredRequests: ProxyRequest[] = [];
  #bytesInFlight = 0;
  /** Number of answers expected before the probe's; negative while no probe is in flight. */
  #beforeProbe = -1;
  /** `null` once the node has accepted it. */
  #greeting: Greeting | null;
  /** What is sent next: pieces, each long argument as one of its own, and the text after them. */
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
    const greeting = this.#greeting = greetingFor(options);
    this.#stream = options.network.connect(options.address, {
      onOpen: () => this.#opened(greeting),
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

  /** Number of requests sent and not answered, including those taken back. */
  get requestsInFlight(): number {
    return this.#inFlight.size;
  }

  /** When the oldest request in flight was sent; `Infinity` when there is none. */
  get oldestSentMs(): number {
    for (let i = 0; i < this.#inFlight.size; i++) {
      const request = this.#inFlight.at(i);
      if (request) return request.sentMs;
    }
    return Infinity;
  }

  /** Whether a request has to wait for room. A large one is sent when nothing else is in flight. */
  isFullFor(bytes: number): boolean {
    const { windowRequestsMax, windowBytesMax } = this.#options.limits;
    const size = this.#inFlight.size;
    return size >= windowRequestsMax || (size > 0 && this.#bytesInFlight + bytes > windowBytesMax);
  }

  /** Bytes of the requests in flight. */
  get bytesInFlight(): number {
    return this.#bytesInFlight;
  }

  get openCount(): number {
    return this.#outputCount;
  }

  get openBytes(): number {
    return this.#piecesBytes + this.#output.length;
  }

  get batchesInFlight(): number {
    return this.#batches.size;
  }

  /** Whether a batch is being collected that still has room. */
  get isCollecting(): boolean {
    return this.#outputCount > 0 && !this.#batching.isFull(this) && !this.isFullFor(0);
  }

  send(request: ProxyRequest): void {
    this.#inFlight.push(request);
    this.#bytesInFlight += request.bytes;
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
    this.newestSentMs = this.#options.clock.monotonicMs();
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

  /** Sends a probe. The connection must be ready, and no probe in flight. */
  probe(nowMs: number): void {
    this.probedMs = nowMs;
    this.#beforeProbe = this.#inFlight.size;
    this.#inFlight.push(null);
    this.#output += PROBE;
    this.#outputCount++;
    this.sendOpen();
  }

  /** Requests in flight, oldest first, without those taken back. */
  *requests(): Iterable<ProxyRequest> {
    for (let i = 0; i < this.#inFlight.size; i++) {
      const request = this.#inFlight.at(i);
      if (request) yield request;
    }
  }

  /** Takes back the requests that `wants` picks. Their answers are dropped if they come. */
  takeBack(wants: (request: ProxyRequest) => boolean): LostRequest[] {
    const taken: LostRequest[] = [];
    const writtenCount = this.#inFlight.size - this.#outputCount;
    for (let i = 0; i < this.#inFlight.size; i++) {
      const request = this.#inFlight.at(i);
      if (!request || !wants(request)) continue;
      taken.push({ request, wasWritten: i < writtenCount });
      this.#bytesInFlight -= request.bytes;
      this.#inFlight.replace(i, null);
    }
    return taken;
  }

  /** Takes the requests that were in flight when the connection ended, oldest first. */
  takeLost(): LostRequest[] {
    const lost: LostRequest[] = [];
    const writtenCount = this.#inFlight.size - this.#outputCount;
    for (let i = 0; i < this.#inFlight.size; i++) {
      const request = this.#inFlight.at(i);
      if (request) lost.push({ request, wasWritten: i < writtenCount });
    }
    while (this.#inFlight.size > 0) this.#inFlight.shift();
    return lost;
  }

  /** @param isNodesFault whether the node is at fault */
  destroy(reason: string, isNodesFault = false): void {
    if (this.#state === "closed") return;
    this.isNodesFault = isNodesFault;
    this.#stream.close();
    this.#closed(reason, isNodesFault);
  }

  #opened(greeting: Greeting): void {
    if (greeting.first !== "") this.#stream.write(greeting.first);
    else this.#becomeReady();
  }

  #becomeReady(): void {
    this.#greeting = null;
    this.#state = "ready";
    this.#options.events.onReady(this);
    this.#batching.flush();
  }

  #received(bytes: Uint8Array): void {
    if (this.#state === "closed") return;
    this.heardMs = this.#options.clock.monotonicMs();
    try {
      this.#readReplies(bytes);
    } catch (error) {
      this.destroy(`sent a reply that could not be handled: ${messageOf(error)}`, true);
    }
  }

  #readReplies(bytes: Uint8Array): void {
    this.#scanner.push(bytes);
    let answers = 0;
    let scanned = this.#scanner.next();
    for (; scanned.kind === "complete"; scanned = this.#scanner.next()) {
      if (this.#greeting !== null) {
        this.#greeted(this.#greeting, scanned.text);
      } else {
        this.#answered(scanned.text, scanned.rest ?? NO_REST);
        answers++;
      }
      if (this.isClosed) return;
    }
    if (scanned.kind === "invalid") {
      return this.destroy(`sent invalid RESP: ${scanned.error}`, true);
    }
    this.#countAnswers(answers);
    this.#options.events.onDelivered(this);
  }

  /** Counts answers towards the batches, which are answered in order. */
  #countAnswers(count: number): void {
    let left = count;
    let isBatchAnswered = false;
    for (
      let open = this.#batches.at(0);
      open !== undefined && left > 0;
      open = this.#batches.at(0)
    ) {
      if (left < open) this.#batches.replace(0, open - left);
      else this.#batches.shift();
      isBatchAnswered ||= left >= open;
      left -= open;
    }
    if (!isBatchAnswered) return;
    const answered = this.#answeredRequests;
    this.#answeredRequests = [];
    this.#batching.noteAnswers(answered);
  }

  #greeted(greeting: Greeting, text: string): void {
    const step = greeting.next(text);
    if (step.kind === "refused") this.destroy(`refused: ${step.reason}`);
    else if (step.kind === "send") this.#stream.write(step.text);
    else if (step.kind === "done") this.#becomeReady();
  }

  #answered(text: string, rest: readonly ByteString[]): void {
    const isPush = text.charCodeAt(0) === 0x3e;
    const request = isPush ? undefined : this.#inFlight.shift();
    if (request === undefined) return this.destroy("sent a reply to no request", true);
    if (this.#beforeProbe >= 0 && this.#beforeProbe-- === 0) {
      return this.#options.events.onProbeAnswer(this, text);
    }
    if (request === null) return;
    this.#bytesInFlight -= request.bytes;
    this.answeredSentMs = request.sentMs;
    this.#answeredRequests.push(request);
    request.rest = rest;
    this.#options.events.onAnswer(this, request, text);
  }

  #closed(reason: string, isNodesFault: boolean): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.isBroken = isNodesFault;
    this.#pieces = [];
    this.#output = "";
    // `#outputCount` stays as it is. `takeLost` derives `wasWritten` from it, which decides whether
    // a write is sent again or its outcome is UNKNOWN.
    this.#batching.remove(this);
    this.#options.events.onClose(this, reason);
  }
}

function greetingFor({ protocol, fenceTerm, secret }: UpstreamOptions): Greeting {
  return new Greeting(secret, [
    ...protocol === 3 ? [["HELLO", "3"]] : [],
    ...fenceTerm === null ? [] : [["CLUSTER", "FENCE", String(fenceTerm)]],
  ]);
}
