import type net from "node:net";
import { encodeReply, type Protocol } from "../resp/encode.ts";
import { type InvalidRequest, RequestDecoder } from "../resp/request_decoder.ts";
import type { RequestText } from "../resp/request_text.ts";
import { ErrorReply, type PushReply } from "../resp/reply.ts";
import type { Cancel, Clock } from "../node/clock.ts";
import { type FairReading, readFairly } from "./fair_reading.ts";
import type { ClientLimits } from "./limits.ts";
import { PendingReply } from "./pending_reply.ts";
import { ReplyOutput } from "./reply_output.ts";

/** What a connection needs of the listener that accepted it. */
export interface ConnectionOwner {
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly fairness: FairReading;
  /** Nothing may be sent now, but to a connection that is spared. */
  readonly isSilent: boolean;
  /** Requests are wanted as they came. */
  readonly isForwarding: boolean;
  /** A whole request arrived: `reply` is to be settled, now or later. */
  request(connection: Connection, args: string[], reply: PendingReply): void;
  /** The same, where `isForwarding`. */
  forward(connection: Connection, request: RequestText, reply: PendingReply): void;
  /** Something is ready to be sent; `flush` is wanted at the end of the turn. */
  dirty(connection: Connection): void;
  protocolError(connection: Connection, reason: string): void;
  closed(connection: Connection): void;
}

/** What the replies to all requests that are read at once are to take, judged by the last ones. */
const REPLIES_BYTES = 64 * 1024 * 1024;
/** A reply's size before one is known. */
const REPLY_BYTES_FIRST = 256 * 1024;
const WINDOW_MIN = 16;

/** A client that has too much to read and takes nothing for so long is cut off. */
const STALL_MS = 5_000;
/** With so many times too much, a client is cut off even while it reads. */
const HARD_FACTOR = 4;

/** How long a closing connection may take to read its last replies. */
const LINGER_MS = 10_000;

/** A client's connection: decodes requests, keeps replies in their order, bounds both sides. */
export class Connection {
  readonly id: number;
  /** `host:port` of the client. */
  readonly remote: string;
  /** `host:port` that the client connected to. */
  readonly local: string;
  /** By the clock that never goes back, as all times here. */
  readonly openedMs: number;
  protocol: Protocol = 2;
  /** By `CLIENT SETNAME`. */
  name = "";
  libraryName = "";
  libraryVersion = "";
  lastCommand = "NULL";
  /** When requests were last read; all that come together have one time. */
  lastReadMs: number;
  /** Gets its replies even from a listener that is silent. */
  isSpared = false;

  readonly #socket: net.Socket;
  readonly #owner: ConnectionOwner;
  readonly #decoder: RequestDecoder;
  #head: PendingReply | null = null;
  #tail: PendingReply | null = null;
  #outstanding = 0;
  readonly #output: ReplyOutput;
  /** Of replies that are settled and not handed to the output yet. */
  #settledBytes = 0;
  /** How large replies have been of late: at once as large as the last, more slowly as small. */
  #replyBytes = REPLY_BYTES_FIRST;
  /** How often the client has taken all that its socket held. */
  #drains = 0;
  #cancelWatch: Cancel | null = null;
  #isDirty = false;
  #isPaused = false;
  #isEnding = false;
  #isClosed = false;

  constructor(id: number, socket: net.Socket, owner: ConnectionOwner) {
    this.id = id;
    this.#socket = socket;
    this.#owner = owner;
    this.remote = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`;
    this.local = `${socket.localAddress ?? "?"}:${socket.localPort ?? 0}`;
    this.openedMs = owner.clock.monotonicMs();
    this.lastReadMs = this.openedMs;
    this.#decoder = new RequestDecoder(owner.limits);
    this.#output = new ReplyOutput(socket);
    readFairly(
      socket,
      (chunk) => this.#received(chunk),
      owner.fairness,
      () => !this.#isPaused && !this.#isEnding && !this.#isClosed,
    );
    socket.on("drain", () => this.#drained());
    socket.on("end", () => this.closeAfterReplies()); // its last requests still get their answers
    socket.on("error", () => {}); // "close" follows and tells all that matters
    socket.once("close", () => this.#closed());
  }

  /** Requests that wait for their answer. */
  get outstanding(): number {
    return this.#outstanding;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends a message that answers no request, at once and before replies still open. */
  push(message: PushReply): void {
    if (this.#isClosed || this.#isEnding || this.#isSilent) return;
    this.#output.add(encodeReply(message, this.protocol));
    this.#markDirty();
  }

  /** Takes no more requests, and closes once those so far are answered. */
  closeAfterReplies(): void {
    this.#isEnding = true;
    this.#socket.pause();
    this.#markDirty();
  }

  /** Sends what became ready while the listener was silent. */
  wake(): void {
    this.#markDirty();
  }

  /** Cuts the client off. */
  destroy(): void {
    this.#socket.destroy();
    this.#closed();
  }

  /** A reply has its text; called by `PendingReply`. */
  settled(reply: PendingReply): void {
    if (this.#isClosed) return;
    this.#settledBytes += reply.text?.length ?? 0;
    if (reply === this.#head) this.#markDirty();
    else if (this.#settledBytes > this.#owner.limits.outputBytesMax) this.#checkReader();
  }

  /** Sends all that is ready, in one write. */
  flush(): void {
    this.#isDirty = false;
    if (this.#isClosed || this.#isSilent) return;
    this.#collectReplies();
    this.#output.send();
    this.#checkReader();
    if (this.#isClosed) return;
    const isAnswered = this.#head === null && this.#output.isHandedOver;
    if (this.#isEnding && isAnswered) this.#end();
    else this.#resumeWhenRelieved();
  }

  #end(): void {
    this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy());
    this.#socket.end(() => this.#socket.destroy());
  }

  #collectReplies(): void {
    let reply = this.#head;
    let { room } = this.#output;
    while (reply !== null && reply.text !== null && room > 0) {
      const bytes = reply.text.length;
      this.#output.add(reply.text);
      room -= bytes;
      this.#settledBytes -= bytes;
      this.#replyBytes += (bytes - this.#replyBytes) / (bytes > this.#replyBytes ? 1 : 8);
      this.#outstanding--;
      reply = reply.next;
    }
    this.#head = reply;
    if (reply === null) this.#tail = null;
  }

  #drained(): void {
    this.#drains++;
    this.flush();
  }

  /** Bounds what a client can make us hold by not reading. */
  #checkReader(): void {
    const { outputBytesMax } = this.#owner.limits;
    if (this.#waitingBytes > HARD_FACTOR * outputBytesMax) this.#cutOff();
    else if (this.#isBehind && this.#cancelWatch === null) this.#watchReader();
  }

  #watchReader(): void {
    const drains = this.#drains;
    this.#cancelWatch = this.#owner.clock.after(STALL_MS, () => {
      this.#cancelWatch = null;
      if (!this.#isBehind) return;
      if (this.#drains === drains) this.#cutOff();
      else this.#watchReader();
    });
  }

  get #isSilent(): boolean {
    return this.#owner.isSilent && !this.isSpared;
  }

  get #waitingBytes(): number {
    return this.#settledBytes + this.#output.waitingBytes;
  }

  get #isBehind(): boolean {
    const limit = this.#isEnding ? 0 : this.#owner.limits.outputBytesMax;
    return this.#waitingBytes > limit;
  }

  #cutOff(): void {
    this.#owner.protocolError(this, "does not read its replies (--output-bytes-max)");
    this.destroy();
  }

  #markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#owner.dirty(this);
  }

  #received(chunk: Uint8Array): void {
    if (this.#isClosed || this.#isEnding) return;
    this.#decoder.push(chunk);
    this.#decode();
  }

  #decode(): void {
    this.lastReadMs = this.#owner.clock.monotonicMs();
    // Replies leave at the turn's end, so that the window and the room do not grow here.
    const window = this.#output.room > 0 ? this.#window : 0;
    while (!this.#isEnding && !this.#isClosed) {
      if (this.#outstanding >= window) return this.#pause();
      const goesOn = this.#owner.isForwarding ? this.#forwardNext() : this.#takeNext();
      if (!goesOn) return;
    }
  }

  #takeNext(): boolean {
    const decoded = this.#decoder.next();
    if (decoded.kind === "invalid") this.#refuse(decoded);
    if (decoded.kind !== "complete") return false;
    this.#owner.request(this, decoded.args, this.#nextReply());
    return true;
  }

  #forwardNext(): boolean {
    const decoded = this.#decoder.nextText();
    if (decoded.kind === "invalid") this.#refuse(decoded);
    if (decoded.kind !== "complete") return false;
    this.#owner.forward(this, decoded, this.#nextReply());
    return true;
  }

  #refuse({ error, crossProtocol }: InvalidRequest): void {
    this.#owner.protocolError(this, error);
    if (crossProtocol) return this.destroy();
    this.#nextReply().settle(new ErrorReply(`ERR ${error}`));
    this.closeAfterReplies();
  }

  #nextReply(): PendingReply {
    const reply = new PendingReply(this, this.protocol);
    if (this.#tail === null) this.#head = reply;
    else this.#tail.next = reply;
    this.#tail = reply;
    this.#outstanding++;
    return reply;
  }

  /** How many requests may wait for their answers, or their answers to be read. */
  get #window(): number {
    const fitting = Math.floor(REPLIES_BYTES / this.#replyBytes);
    return Math.min(this.#owner.limits.pipelineMax, Math.max(WINDOW_MIN, fitting));
  }

  #pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  #resumeWhenRelieved(): void {
    if (!this.#isPaused || this.#isEnding || this.#isClosed) return;
    if (this.#outstanding > this.#window / 2 || this.#output.room <= 0) return;
    this.#isPaused = false;
    this.#decode();
    if (!this.#isPaused) this.#socket.resume();
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#head = this.#tail = null;
    this.#output.clear();
    this.#cancelWatch?.();
    this.#owner.closed(this);
  }
}
