import type { Arguments } from "../base/byte_string.ts";
import { formatAddress, plainHost } from "../base/address.ts";
import { type FairReading, readFairly } from "../platform/acceptor.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { Socket } from "../platform/sockets.ts";
import { encodeReply, type Protocol } from "../resp/encode.ts";
import { ErrorReply, type PushReply } from "../resp/reply.ts";
import { type InvalidRequest, RequestDecoder, type RequestText } from "../resp/request_decoder.ts";
import type { ClientLoad, LargeRequests, LoadingClient } from "./client_load.ts";
import type { ClientLimits } from "./limits.ts";
import { PendingReply, type ReplyingConnection, ReplyQueue } from "./pending_reply.ts";
import { ReplyOutput, SlowReader } from "./reply_output.ts";

/** For so long at most, requests that came together are carried out before others have their turn. */
const DECODE_MS_MAX = 5;
/** The clock is looked at after so many. */
const REQUESTS_PER_LOOK = 8;

/** What is read at most of a client whose requests wait for their turn. */
const RESTING_BYTES_MAX = 1024 * 1024;

/** What is read at most, beyond what it may have under way, of a client that waits without a bound. */
const PROBED_BYTES_MAX = 16 * 1024 * 1024;

/** How long a request that may wait for ever does so for a client that has closed its side. */
const ENDED_WAIT_MS = 1_000;

/** How often a client that is not read is looked at while it waits without a bound. */
const PROBE_MS = 5_000;

/** How long a closing connection may take to read its last replies. */
const LINGER_MS = 10_000;

/** What a connection needs of the listener that accepted it. */
export interface ConnectionOwner {
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly fairness: FairReading;
  /** Of all connections together. */
  readonly totals: { inputBytes: number; outputBytes: number };
  readonly load: ClientLoad;
  readonly largeRequests: LargeRequests;
  /** Nothing may be sent now, but to a connection that is spared. */
  readonly isSilent: boolean;
  /** Requests are wanted as they came. */
  readonly isForwarding: boolean;
  /** A whole request arrived: `reply` is to be settled, now or later. */
  request(connection: Connection, args: Arguments, reply: PendingReply): void;
  /** The same, where `isForwarding`. */
  forward(connection: Connection, request: RequestText, reply: PendingReply): void;
  /** An exception was thrown while this connection was served: it ends, and nothing else. */
  logFailure(connection: Connection, error: unknown): void;
  /** Something is ready to be sent; `flush` is wanted at the end of the turn. */
  flushLater(connection: Connection): void;
  logProtocolError(connection: Connection, reason: string): void;
  remove(connection: Connection): void;
}

/** A client's connection: decodes requests, keeps replies in their order, bounds both sides. */
export class Connection implements LoadingClient, ReplyingConnection {
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
  /** By `CLIENT REPLY`; `skip`: the next reply is left out. */
  replyMode: "on" | "off" | "skip" = "on";
  /** Between a `MULTI` that was refused and its `EXEC` or `DISCARD`. */
  isInRefusedTransaction = false;
  /** When requests were last read; all that come together have one time. */
  lastReadMs: number;
  /** One of its requests may have waited without a bound. */
  mayWait = false;
  /** Pushes are sent to it, so that it may say nothing itself. */
  isWatching = false;
  /** Gets its replies even from a listener that is silent. */
  isSpared = false;

  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #decoder: RequestDecoder;
  readonly #replies = new ReplyQueue();
  /** Of requests that are not answered. */
  #requestBytes = 0;
  /** What the load knows of: bytes that are not decoded, and those that the client has not taken. */
  #knownPending = 0;
  #knownOutput = 0;
  readonly #output: ReplyOutput;
  readonly #slowReader: SlowReader;
  #cancelEnd: Cancel | null = null;
  #cancelProbe: Cancel | null = null;
  #isProbing = false;
  #isDirty = false;
  #isPaused = false;
  #isResting = false;
  /** The client has closed its side, and requests that it sent before wait for their turn. */
  #isEndDue = false;
  #isEnding = false;
  #isClosed = false;

  constructor(id: number, socket: Socket, owner: ConnectionOwner) {
    this.id = id;
    this.#socket = socket;
    this.#owner = owner;
    this.remote = endText(socket.remoteAddress, socket.remotePort);
    this.local = endText(socket.localAddress, socket.localPort);
    this.openedMs = owner.clock.monotonicMs();
    this.lastReadMs = this.openedMs;
    this.#decoder = new RequestDecoder(owner.limits);
    this.#output = new ReplyOutput(socket);
    this.#slowReader = new SlowReader({
      clock: owner.clock,
      outputBytesMax: owner.limits.outputBytesMax,
      waitingBytes: () => this.waitingBytes,
      waitingBytesMax: () => this.#isEnding ? 0 : owner.limits.outputBytesMax,
      cutOff: () => this.cutOff(),
    });
    const { tcpKeepaliveS } = owner.limits;
    if (tcpKeepaliveS > 0) socket.setKeepAlive(true, tcpKeepaliveS * 1_000);
    readFairly(
      socket,
      (chunk) => this.#received(chunk),
      owner.fairness,
      () => !this.#isPaused && !this.#isEnding && !this.#isClosed,
    );
    socket.on("drain", () => this.#drained());
    socket.on("end", () => this.#guard(() => this.#ended()));
    socket.on("error", () => {}); // "close" follows and tells all that matters
    socket.once("close", () => this.#closed());
  }

  /** Requests that wait for their answer. */
  get outstanding(): number {
    return this.#replies.size;
  }

  /** It waits for nothing, and nothing is pushed to it. */
  get isIdle(): boolean {
    return this.outstanding === 0 && !this.isWatching && this.#output.isHandedOver;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What is held for the client at most before it is looked at. */
  get outputBytesMax(): number {
    return this.#owner.limits.outputBytesMax;
  }

  /** Sends a message that answers no request, at once and before replies still open. */
  push(message: PushReply): void {
    if (this.#isClosed || this.#isEnding || this.#isSilent) return;
    this.#guard(() => {
      this.#output.add(encodeReply(message, this.protocol));
      this.#markDirty();
    });
  }

  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Something went wrong while this client was served. */
  fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#owner.logFailure(this, error);
    this.destroy();
  }

  /** Takes back what the client has said about the connection, as if it had just come. */
  reset(): void {
    this.protocol = 2;
    this.name = "";
    this.replyMode = "on";
    this.isInRefusedTransaction = false;
  }

  /** Takes no more requests, and closes once those so far are answered. */
  closeAfterReplies(): void {
    this.#isEnding = true;
    this.#socket.pause();
    this.#markDirty();
  }

  /**
   * The client has closed its side, and perhaps the other one too, which cannot be told. Its last
   * requests still get their answers, unless they may wait for ever.
   */
  #ended(): void {
    if (this.#isResting) {
      this.#isEndDue = true;
      return;
    }
    this.closeAfterReplies();
    if (!this.#isWaiting) return;
    this.#cancelEnd ??= this.#owner.clock.after(ENDED_WAIT_MS, () => {
      if (this.#isWaiting) this.destroy();
    });
  }

  get #isWaiting(): boolean {
    return this.mayWait && this.#replies.isWaiting;
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
  noteSettled(reply: PendingReply): void {
    if (this.#isClosed) return;
    this.#requestBytes -= reply.requestBytes;
    this.#owner.load.unansweredBytes -= reply.requestBytes;
    this.#owner.largeRequests.note(reply, 0);
    this.#replies.settledBytes += reply.bytes;
    if (reply === this.#replies.first) this.#markDirty();
    else if (this.#replies.settledBytes > this.#owner.limits.outputBytesMax) {
      this.#slowReader.check();
    }
  }

  /** Says whether the client wants this reply, which is of the request that is served next. */
  prepare(reply: PendingReply): void {
    reply.protocol = this.protocol; // a request before it may have been HELLO
    reply.isMuted = this.replyMode !== "on";
    if (this.replyMode === "skip") this.replyMode = "on";
  }

  /** Sends all that is ready, in one write. */
  flush(): void {
    try {
      this.#flush();
    } catch (error) {
      this.fail(error);
    }
  }

  #flush(): void {
    this.#isDirty = false;
    if (this.#isClosed || this.#isSilent) return;
    this.#owner.totals.outputBytes += this.#replies.handOver(this.#output);
    this.#output.send();
    this.#reportOutput();
    this.#slowReader.check();
    if (this.#isClosed) return;
    const isAnswered = this.outstanding === 0 && this.#output.isHandedOver;
    if (this.#isEnding && isAnswered) this.#end();
    else this.#resumeWhenRelieved();
  }

  #end(): void {
    this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy());
    this.#socket.end(() => this.#socket.destroy());
  }

  #drained(): void {
    this.#slowReader.drained();
    this.flush();
  }

  get #isSilent(): boolean {
    return this.#owner.isSilent && !this.isSpared;
  }

  /** Bytes of replies that the client has not taken. */
  get waitingBytes(): number {
    return this.#replies.settledBytes + this.#output.waitingBytes;
  }

  #reportOutput(): void {
    const { load } = this.#owner;
    const bytes = this.#isClosed ? 0 : this.waitingBytes;
    load.outputBytes += bytes - this.#knownOutput;
    this.#knownOutput = bytes;
  }

  #reportPending(): void {
    const bytes = this.#isClosed ? 0 : this.#decoder.pendingBytes;
    this.#owner.load.partialBytes += bytes - this.#knownPending;
    this.#knownPending = bytes;
    this.#owner.largeRequests.note(this, this.#decoder.bytesNearlyRead);
  }

  cutOff(reason = "does not read its replies (--output-bytes-max)"): void {
    if (this.#isClosed) return;
    this.#owner.logProtocolError(this, reason);
    this.destroy();
  }

  #markDirty(): void {
    if (this.#isDirty) return;
    this.#isDirty = true;
    this.#owner.flushLater(this);
  }

  #received(chunk: Uint8Array): void {
    if (this.#isClosed || this.#isEnding) return;
    try {
      this.#owner.totals.inputBytes += chunk.length;
      this.#decoder.push(chunk);
      if (this.#isProbing) this.#probed();
      else if (!this.#isResting) this.#decode();
      else if (this.#decoder.pendingBytes > RESTING_BYTES_MAX) this.#pause();
      this.#reportPending();
    } catch (error) {
      this.fail(error);
    }
  }

  #decode(): void {
    this.lastReadMs = this.#owner.clock.monotonicMs();
    // Replies leave at the turn's end, so that the window and the room do not grow here.
    const window = this.#output.room > 0 ? this.#window : 0;
    for (let count = 1; !this.#isEnding && !this.#isClosed; count++) {
      if (this.outstanding >= window) return this.#pause();
      if (count % REQUESTS_PER_LOOK === 0 && this.#hasDecodedForLong()) return this.#rest();
      if (this.#hasTooManyBytes()) return this.#pause();
      const goesOn = this.#owner.isForwarding ? this.#forwardNext() : this.#takeNext();
      if (!goesOn) return;
    }
  }

  /** A client that asked for nothing else is read until its request is whole, whatever its size. */
  #hasTooManyBytes(): boolean {
    const { load, limits } = this.#owner;
    if (this.#requestBytes >= limits.pipelineBytesMax) return true;
    if (!load.mustWait(this, this.#requestBytes + this.#decoder.pendingBytes)) return false;
    load.wait(this);
    return true;
  }

  #takeNext(): boolean {
    const decoded = this.#decoder.next();
    if (decoded.kind === "invalid") this.#refuse(decoded);
    if (decoded.kind !== "complete") return false;
    let bytes = 0;
    for (const arg of decoded.args) bytes += arg.length;
    this.#owner.request(this, decoded.args, this.#nextReply(bytes));
    return true;
  }

  #forwardNext(): boolean {
    const decoded = this.#decoder.nextText();
    if (decoded.kind === "invalid") this.#refuse(decoded);
    if (decoded.kind !== "complete") return false;
    this.#owner.forward(this, decoded, this.#nextReply(decoded.bytes));
    return true;
  }

  #refuse({ error, crossProtocol }: InvalidRequest): void {
    this.#owner.logProtocolError(this, error);
    if (crossProtocol) return this.destroy();
    this.#nextReply(0).settle(new ErrorReply(`ERR ${error}`));
    this.closeAfterReplies();
  }

  #nextReply(requestBytes: number): PendingReply {
    const reply = new PendingReply(this, this.protocol);
    const { load } = this.#owner;
    reply.requestBytes = requestBytes;
    this.#requestBytes += requestBytes;
    load.unansweredBytes += requestBytes;
    this.#owner.largeRequests.note(reply, requestBytes);
    load.noteFinished(this);
    if (this.replyMode !== "on") this.prepare(reply);
    this.#replies.push(reply);
    return reply;
  }

  get #window(): number {
    return this.#replies.window(this.#owner.limits.pipelineMax);
  }

  #hasDecodedForLong(): boolean {
    return this.#owner.clock.monotonicMs() - this.lastReadMs > DECODE_MS_MAX;
  }

  /**
   * Lets the event loop look after others; requests that are read already wait. It is too short to
   * pause the socket for: Deno 2.6 mixes up what it reads when a socket goes on so soon.
   */
  #rest(): void {
    this.#isResting = true;
    this.#owner.clock.after(0, () => {
      this.#isResting = false;
      this.#guard(() => this.#goOnAfterRest());
    });
  }

  #goOnAfterRest(): void {
    if (this.#isEnding || this.#isClosed) return;
    if (this.#isPaused) return this.#resumeWhenRelieved();
    this.#decode();
    this.#reportPending();
    this.#endIfDue();
  }

  #endIfDue(): void {
    if (!this.#isEndDue || this.#isResting) return;
    if (!this.#isPaused || this.#isWaiting) this.#ended();
  }

  #pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
    if (this.#cancelProbe === null && this.#isWaiting) this.#probeLater();
  }

  /** Whether a client is gone cannot be told but by reading on. */
  #probeLater(): void {
    this.#cancelProbe = this.#owner.clock.after(PROBE_MS, () => {
      this.#cancelProbe = null;
      if (!this.#isPaused || !this.#isWaiting || this.#isEnding || this.#isClosed) return;
      this.#isProbing = true;
      this.#socket.resume();
      this.#probeLater();
    });
  }

  #probed(): void {
    this.#isProbing = false;
    this.#socket.pause();
    if (this.#decoder.pendingBytes <= PROBED_BYTES_MAX) return;
    this.#owner.logProtocolError(
      this,
      "sends on and on while a request of its own waits without end",
    );
    this.destroy();
  }

  #resumeWhenRelieved(): void {
    if (!this.#isPaused || this.#isResting || this.#isEnding || this.#isClosed) return;
    if (this.outstanding > this.#window / 2 || this.#output.room <= 0) return;
    const { load, limits } = this.#owner;
    if (this.#requestBytes > limits.pipelineBytesMax / 2 || load.isWaiting(this)) return;
    this.#isPaused = this.#isProbing = false;
    this.#decode();
    this.#reportPending();
    if (!this.#isPaused) this.#socket.resume();
    this.#endIfDue();
  }

  /** There is room again for what all clients have under way, or it is this one's turn. */
  goOn(): void {
    this.#guard(() => this.#resumeWhenRelieved());
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelEnd?.();
    this.#cancelProbe?.();
    this.#replies.close();
    this.#output.clear();
    this.#reportOutput();
    this.#reportPending();
    this.#owner.largeRequests.forget(this);
    this.#owner.load.unansweredBytes -= this.#requestBytes;
    this.#owner.load.forget(this);
    this.#slowReader.stop();
    this.#owner.remove(this);
  }
}

/** One end of a socket, as Redis prints it; unknown when the client has gone already. */
function endText(host = "?", port = 0): string {
  return formatAddress({ host: plainHost(host), port });
}
