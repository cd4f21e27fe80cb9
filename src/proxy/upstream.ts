import type { Clock } from "../node/clock.ts";
import type { Address, Network, Stream } from "../node/network.ts";
import { encodeRequest, type Protocol } from "../resp/encode.ts";
import { ReplyScanner } from "../resp/reply_scanner.ts";
import type { Batching, BatchSender } from "./batching.ts";
import { ClientList } from "./client_list.ts";
import { Fifo } from "./fifo.ts";
import type { ProxyLimits } from "./limits.ts";
import type { NodeLinks } from "./node_links.ts";
import type { ProxyRequest } from "./proxy_request.ts";

export interface UpstreamOptions {
  /** Whose connection it is. */
  readonly links: NodeLinks;
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
  /** All answers that had arrived are handed out. */
  settled(upstream: Upstream): void;
  /** Once. What was under way is to be taken with `takeLost`. */
  closed(upstream: Upstream, reason: string): void;
}

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
  readonly links: NodeLinks;
  readonly isDedicated: boolean;
  readonly protocol: Protocol;
  readonly fenceTerm: number | null;
  /** Clients whose next request waits for room on this connection. */
  readonly waiters = new ClientList();
  /** Set by the router: new requests may go here. */
  isAccepting = true;
  /** A fenced connection on which the node has refused a request: it is not used any further. */
  isSpent = false;
  /** The node said that it does not lead: behind that, nothing was executed on a fenced connection. */
  isOver = false;
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
  #greetingsMissing: number;
  #output = "";
  #outputCount = 0;
  #state: "opening" | "ready" | "closed" = "opening";

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.links = options.links;
    this.isDedicated = options.isDedicated;
    this.createdMs = options.clock.monotonicMs();
    this.protocol = options.protocol;
    this.fenceTerm = options.fenceTerm;
    this.#scanner = new ReplyScanner({ replyBytesMax: options.limits.replyBytesMax });
    this.#batching = options.batching;
    const greetings = greetingsFor(options);
    this.#greetingsMissing = greetings.length;
    this.#stream = options.network.connect(options.address, {
      onOpen: () => this.#opened(greetings),
      onData: (bytes) => this.#received(bytes),
      onClose: (reason) => this.#closed(reason),
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

  get openCount(): number {
    return this.#outputCount;
  }

  get openBytes(): number {
    return this.#output.length;
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
    this.#outputCount++;
    if (!this.#batching.added(this, request.client) || this.#isFlushing) return;
    this.#isFlushing = true;
    this.#options.clock.soon(this.#flush);
  }

  sendOpen(): void {
    const text = this.#output;
    this.#batches.push(this.#outputCount);
    this.newestLeftMs = this.#options.clock.monotonicMs();
    this.#output = "";
    this.#outputCount = 0;
    this.#stream.write(text);
  }

  /** Takes back the requests that `wants` picks; their answers, should they come, are dropped. */
  takeBack(wants: (request: ProxyRequest) => boolean): ProxyRequest[] {
    const taken: ProxyRequest[] = [];
    for (let i = 0; i < this.#underWay.size; i++) {
      const request = this.#underWay.at(i);
      if (!request || !wants(request)) continue;
      taken.push(request);
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

  destroy(reason: string): void {
    if (this.#state === "closed") return;
    this.#stream.close();
    this.#closed(reason);
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
    this.#scanner.push(bytes);
    const underWay = this.#underWay.size - this.#outputCount;
    let scanned = this.#scanner.next();
    for (; scanned.kind === "complete"; scanned = this.#scanner.next()) {
      if (this.#greetingsMissing > 0) this.#greeted(scanned.text);
      else this.#answered(scanned.text);
      if (this.isClosed) return;
    }
    if (scanned.kind === "invalid") return this.destroy(`sent what is no RESP: ${scanned.error}`);
    this.#countAnswers(underWay - (this.#underWay.size - this.#outputCount));
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
    this.#batching.answered(answered);
  }

  #greeted(text: string): void {
    if (text.startsWith("-")) return this.destroy(`refused: ${text.slice(1).trimEnd()}`);
    this.#greetingsMissing--;
    if (this.#greetingsMissing === 0) this.#becomeReady();
  }

  #answered(text: string): void {
    const isPush = text.charCodeAt(0) === 0x3e;
    const request = isPush ? undefined : this.#underWay.shift();
    if (request === undefined) return this.destroy("sent a reply that nobody asked for");
    if (request === null) return;
    this.#bytesUnderWay -= request.bytes;
    this.answeredSentMs = request.sentMs;
    this.#answeredRequests.push(request);
    this.#options.events.answered(this, request, text);
  }

  #closed(reason: string): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#output = "";
    this.#batching.ended(this);
    this.#options.events.closed(this, reason);
  }
}

function greetingsFor({ protocol, fenceTerm }: UpstreamOptions): string[] {
  const greetings: string[] = [];
  if (protocol === 3) greetings.push(encodeRequest(["HELLO", "3"]));
  if (fenceTerm !== null) greetings.push(encodeRequest(["CLUSTER", "FENCE", String(fenceTerm)]));
  return greetings;
}
