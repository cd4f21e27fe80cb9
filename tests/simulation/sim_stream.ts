import { latin1Bytes } from "../../src/base/bytes.ts";
import { randomInteger } from "../../src/base/random.ts";
import type { Stream, StreamHandlers } from "../../src/platform/network.ts";
import type { SimNetwork } from "./sim_network.ts";
import type { SimProcess } from "./sim_process.ts";

const NO_HANDLERS: StreamHandlers = { onOpen() {}, onData() {}, onClose() {} };
/** Time after which the kernel retransmits unacknowledged bytes; doubled each time. */
const RETRANSMIT_MS = 200;
const RETRANSMISSIONS_MAX = 9;

interface Chunk {
  /** `null` is the end of the stream. */
  readonly bytes: Uint8Array | null;
  readonly arrivesMs: number;
}

/**
 * One end of a byte stream. It keeps TCP's promises and no others: bytes arrive in order, and the
 * stream is whole or ends early.
 */
export class SimStream implements Stream {
  readonly remote: string;
  readonly process: SimProcess;
  readonly #network: SimNetwork;
  readonly #remoteHost: string;
  #other: SimStream | null = null;
  #handlers = NO_HANDLERS;
  #state: "opening" | "open" | "closed" = "opening";
  /** Chunks on their way to the other end. */
  readonly #sent: Chunk[] = [];
  #sentBytes = 0;
  #isPumping = false;
  #retransmissions = 0;

  constructor(network: SimNetwork, process: SimProcess, remoteHost: string, remote: string) {
    this.#network = network;
    this.process = process;
    this.#remoteHost = remoteHost;
    this.remote = remote;
    process.onEnd(() => this.#processEnded());
  }

  /** Connects the two ends of a stream. `far`, the accepting end, is open at once. */
  static join(near: SimStream, far: SimStream): void {
    near.#other = far;
    far.#other = near;
    far.#state = "open";
    far.#network.opened(far);
  }

  get isOpening(): boolean {
    return this.#state === "opening" && this.process.isAlive;
  }

  get isOpen(): boolean {
    return this.#state === "open";
  }

  becomeOpen(): void {
    if (!this.isOpening) return;
    this.process.run(() => {
      if (this.#state !== "opening") return;
      this.#state = "open";
      this.#network.opened(this);
      this.#handlers.onOpen();
    });
  }

  /** Ends the connection at this end, whatever the other end believes. */
  fail(reason: string): void {
    this.process.run(() => {
      if (this.#state === "closed") return;
      this.#end();
      this.#handlers.onClose(reason);
    });
  }

  /** Resets both ends, each at its own time. Bytes in flight are lost. */
  reset(reason: string): void {
    const other = this.#other;
    this.#drop();
    if (other !== null) other.#drop();
    this.fail(reason);
    this.#network.scheduler.after(
      this.#network.delayMs(this.process.name, this.#remoteHost),
      () => other?.fail(reason),
    );
  }

  handle(handlers: StreamHandlers): void {
    this.#handlers = handlers;
  }

  pendingBytes(): number {
    return this.#sentBytes;
  }

  write(data: Uint8Array | string): void {
    if (this.#state === "closed" || !this.process.isAlive) return;
    const bytes = typeof data === "string" ? latin1Bytes(data) : data;
    const { random, plan } = this.#network;
    const arrivesMs = this.#arrivalMs();
    for (let from = 0; from < bytes.length;) {
      const isCut = random() < plan.split && bytes.length - from > 1;
      const to = isCut ? from + 1 + randomInteger(random, bytes.length - from - 1) : bytes.length;
      const laterMs = from > 0 && random() < 0.5 ? random() * plan.jitterMs : 0;
      this.#sent.push({ bytes: bytes.slice(from, to), arrivesMs: arrivesMs + laterMs });
      this.#sentBytes += to - from;
      from = to;
    }
    this.#pump();
  }

  /** Closes this end. Bytes written before still arrive, unless the network prevents it. */
  close(): void {
    if (this.#state === "closed") return;
    const wasOpening = this.#other === null;
    this.#end();
    if (wasOpening || !this.process.isAlive) return;
    this.#sent.push({ bytes: null, arrivesMs: this.#arrivalMs() });
    this.#pump();
  }

  #end(): void {
    this.#state = "closed";
    this.#network.closed(this);
  }

  #drop(): void {
    this.#sent.length = 0;
    this.#sentBytes = 0;
  }

  /** The kernel of a running machine closes the connections of dead processes. */
  #processEnded(): void {
    if (this.#state === "closed") return;
    this.#end();
    if (this.#network.isDark(this.process.name)) return this.#drop();
    this.#sent.push({ bytes: null, arrivesMs: this.#arrivalMs() });
    this.#pump();
  }

  #arrivalMs(): number {
    const { scheduler, random } = this.#network;
    const [from, to] = [this.process.name, this.#remoteHost];
    const isLost = random() < this.#network.loss(from, to);
    return scheduler.nowMs + this.#network.delayMs(from, to) + (isLost ? RETRANSMIT_MS : 0);
  }

  #pump(): void {
    const [first] = this.#sent;
    if (this.#isPumping || first === undefined) return;
    this.#isPumping = true;
    this.#network.scheduler.at(first.arrivesMs, () => this.#arrive());
  }

  #arrive(): void {
    const other = this.#other;
    if (other === null) return this.#drop(); // given up before it was open
    const [from, to] = [this.process.name, this.#remoteHost];
    if (this.#network.isCut(from, to) || this.#network.isDark(to)) return this.#tryLater();
    this.#retransmissions = 0;
    this.#isPumping = false;
    const chunk = this.#sent.shift();
    if (chunk === undefined) return;
    if (chunk.bytes === null) other.fail("closed by the other side");
    else {
      this.#sentBytes -= chunk.bytes.length;
      this.#deliver(other, chunk.bytes);
    }
    this.#pump();
  }

  #deliver(other: SimStream, chunk: Uint8Array): void {
    if (other.#state === "closed" || !other.process.isAlive) {
      // The kernel has no such connection and resets it.
      this.#drop();
      const backMs = this.#network.delayMs(this.#remoteHost, this.process.name);
      this.#network.scheduler.after(backMs, () => this.fail("connection reset"));
      return;
    }
    other.process.run(() => {
      if (other.#state !== "closed") other.#handlers.onData(chunk);
    });
  }

  #tryLater(): void {
    if (this.#network.isDark(this.process.name)) return this.#drop();
    const waitMs = RETRANSMIT_MS * 2 ** this.#retransmissions++;
    if (this.#retransmissions > RETRANSMISSIONS_MAX) {
      this.#drop();
      return this.fail("timed out");
    }
    this.#network.scheduler.after(waitMs, () => this.#arrive());
  }
}
