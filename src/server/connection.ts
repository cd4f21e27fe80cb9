import type net from "node:net";
import { encodeReply, type Protocol } from "../resp/encode.ts";
import { RequestDecoder } from "../resp/request_decoder.ts";
import { ErrorReply, type PushReply } from "../resp/reply.ts";
import type { ClientLimits } from "./limits.ts";
import { PendingReply } from "./pending_reply.ts";

/** What a connection needs of the listener that accepted it. */
export interface ConnectionOwner {
  readonly limits: ClientLimits;
  /** A whole request arrived: `reply` is to be settled, now or later. */
  request(connection: Connection, args: string[], reply: PendingReply): void;
  /** Something is ready to be sent; `flush` is wanted at the end of the turn. */
  dirty(connection: Connection): void;
  protocolError(connection: Connection, reason: string): void;
  closed(connection: Connection): void;
}

/** Output that the socket has not taken yet, above which a connection's requests are not read. */
const OUTPUT_SOFT_BYTES = 1024 * 1024;

/** Replies are joined to one write up to this size. */
const WRITE_BYTES_MAX = 16 * 1024 * 1024;

/** How long a closing connection may take to read its last replies. */
const LINGER_MS = 10_000;

/** A client's connection: decodes requests, keeps replies in their order, bounds both sides. */
export class Connection {
  readonly id: number;
  /** `host:port` of the client. */
  readonly remote: string;
  /** `host:port` that the client connected to. */
  readonly local: string;
  readonly openedMs: number;
  protocol: Protocol = 2;
  /** By `CLIENT SETNAME`. */
  name = "";
  libraryName = "";
  libraryVersion = "";
  lastCommand = "NULL";
  lastRequestMs: number;

  readonly #socket: net.Socket;
  readonly #owner: ConnectionOwner;
  readonly #decoder: RequestDecoder;
  #head: PendingReply | null = null;
  #tail: PendingReply | null = null;
  #outstanding = 0;
  #output = "";
  #isDirty = false;
  #isPaused = false;
  #isEnding = false;
  #isClosed = false;

  constructor(id: number, socket: net.Socket, owner: ConnectionOwner, nowMs: number) {
    this.id = id;
    this.#socket = socket;
    this.#owner = owner;
    this.remote = `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`;
    this.local = `${socket.localAddress ?? "?"}:${socket.localPort ?? 0}`;
    this.openedMs = nowMs;
    this.lastRequestMs = nowMs;
    this.#decoder = new RequestDecoder(owner.limits);
    socket.on("data", (chunk: Uint8Array) => this.#received(chunk));
    socket.on("drain", () => this.#resumeWhenRelieved());
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
    if (this.#isClosed || this.#isEnding) return;
    this.#output += encodeReply(message, this.protocol);
    this.#markDirty();
  }

  /** Takes no more requests, and closes once those so far are answered. */
  closeAfterReplies(): void {
    this.#isEnding = true;
    this.#socket.pause();
    this.#markDirty();
  }

  /** Cuts the client off. */
  destroy(): void {
    this.#socket.destroy();
    this.#closed();
  }

  /** A reply has its text; called by `PendingReply`. */
  settled(reply: PendingReply): void {
    if (reply === this.#head && !this.#isClosed) this.#markDirty();
  }

  /** Sends all that is ready, in one write. */
  flush(): void {
    this.#isDirty = false;
    if (this.#isClosed) return;
    this.#collectReplies();
    if (this.#output !== "") {
      this.#writeOutput();
      if (this.#socket.writableLength > this.#owner.limits.outputBytesMax) {
        this.#owner.protocolError(this, "reads its replies too slowly (--output-bytes-max)");
        this.destroy();
        return;
      }
    }
    if (this.#isEnding && this.#head === null) this.#end();
    else this.#resumeWhenRelieved();
  }

  #writeOutput(): void {
    const output = this.#output;
    this.#output = "";
    if (output !== "") this.#socket.write(output, "latin1");
  }

  #end(): void {
    this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy());
    this.#socket.end(() => this.#socket.destroy());
  }

  #collectReplies(): void {
    let reply = this.#head;
    while (reply !== null && reply.text !== null) {
      if (this.#output.length + reply.text.length > WRITE_BYTES_MAX) this.#writeOutput();
      this.#output += reply.text;
      this.#outstanding--;
      reply = reply.next;
    }
    this.#head = reply;
    if (reply === null) this.#tail = null;
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
    while (!this.#isEnding && !this.#isClosed) {
      if (this.#isOverloaded()) return this.#pause();
      const decoded = this.#decoder.next();
      if (decoded.kind === "complete") {
        this.#owner.request(this, decoded.args, this.#nextReply());
      } else if (decoded.kind === "invalid") {
        this.#owner.protocolError(this, decoded.error);
        if (decoded.crossProtocol) return this.destroy();
        this.#nextReply().settle(new ErrorReply(`ERR ${decoded.error}`));
        return this.closeAfterReplies();
      } else return;
    }
  }

  #nextReply(): PendingReply {
    const reply = new PendingReply(this, this.protocol);
    if (this.#tail === null) this.#head = reply;
    else this.#tail.next = reply;
    this.#tail = reply;
    this.#outstanding++;
    return reply;
  }

  #isOverloaded(): boolean {
    return this.#outstanding >= this.#owner.limits.pipelineMax ||
      this.#socket.writableLength > OUTPUT_SOFT_BYTES;
  }

  #pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }

  #resumeWhenRelieved(): void {
    if (!this.#isPaused || this.#isEnding || this.#isClosed) return;
    const isRelieved = this.#outstanding <= this.#owner.limits.pipelineMax / 2 &&
      this.#socket.writableLength <= OUTPUT_SOFT_BYTES / 2;
    if (!isRelieved) return;
    this.#isPaused = false;
    this.#decode();
    if (!this.#isPaused) this.#socket.resume();
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#head = this.#tail = null;
    this.#output = "";
    this.#owner.closed(this);
  }
}
