import { formatAddress, plainHost } from "../base/address.ts";
import type { Arguments } from "../base/byte_string.ts";
import { type FairReading, readFairly } from "../platform/acceptor.ts";
import type { Cancel, Clock } from "../platform/clock.ts";
import type { Socket } from "../platform/sockets.ts";
import { encodeReply } from "../resp/encode.ts";
import { ErrorReply, type PushReply } from "../resp/reply.ts";
import { type InvalidRequest, RequestDecoder, type RequestText } from "../resp/request_decoder.ts";
import { ClientFields } from "./client_fields.ts";
import type { ClientLoad, LargeRequests, LoadingClient } from "./client_load.ts";
import type { ClientLimits } from "./limits.ts";
import { PendingReply, type ReplyingConnection, ReplyQueue } from "./pending_reply.ts";
import { ReplyOutput, SlowReader } from "./reply_output.ts";

/** Time in ms after which decoding one client's requests yields to the event loop. */
const DECODE_MS_MAX = 5;
/** Number of requests after which the clock is read. */
const REQUESTS_PER_CLOCK_READ = 8;
/** Bytes of waiting replies above which the clock is read after each request. */
const REPLY_BYTES_PER_CLOCK_READ = 64 * 1024;

/** Bytes buffered of a client that has yielded, above which its socket is paused. */
const YIELDING_BYTES_MAX = 1024 * 1024;
/** Bytes buffered of a client that waits without a bound, above which it is disconnected. */
const PROBED_BYTES_MAX = 16 * 1024 * 1024;
/** Time in ms for which an unbounded wait continues after the client has closed its side. */
const ENDED_WAIT_MS = 1_000;
/** Interval in ms at which a paused client that waits without a bound is read: it may be gone. */
const PROBE_MS = 5_000;
/** Idle time in ms after which a closing connection is destroyed, even with replies unread. */
const LINGER_MS = 10_000;
/** Bytes of replies that wait for an earlier one, above which the load counts them nevertheless. */
const UNCOUNTED_BYTES_MAX = 256 * 1024;

/** What a connection needs of the listener that accepted it. */
export interface ConnectionOwner {
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly fairness: FairReading;
  /** Bytes received and sent on all connections together. */
  readonly totals: { inputBytes: number; outputBytes: number };
  readonly load: ClientLoad;
  readonly largeRequests: LargeRequests;
  /** Whether nothing may be sent now, except to a connection with `ignoresSilence`. */
  readonly isSilent: boolean;
  /** Whether requests are passed on as text, by `forward`. */
  readonly isForwarding: boolean;
  /** Serves a request. The handler must settle `reply`, now or later. */
  request(connection: Connection, args: Arguments, reply: PendingReply): void;
  /** The same for a request as text, where `isForwarding`. */
  forward(connection: Connection, request: RequestText, reply: PendingReply): void;
  /** Logs an exception that was thrown while this connection was served, and that ends it. */
  logFailure(connection: Connection, error: unknown): void;
  /** Has `flush` called at the end of the turn. */
  flushLater(connection: Connection): void;
  logProtocolError(connection: Connection, reason: string): void;
  remove(connection: Connection): void;
}

/** A client's connection. Decodes requests, keeps replies in order, and bounds the bytes of both. */
export class Connection extends ClientFields implements LoadingClient, ReplyingConnection {
  readonly id: number;
  /** `host:port` of the client. */
  readonly remote: string;
  /** `host:port` that the client connected to. */
  readonly local: string;
  /** By the monotonic clock, as all times here. */
  readonly openedMs: number;

  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #decoder: RequestDecoder;
  readonly #replies = new ReplyQueue();
  /** Bytes of requests that are not answered. */
  #requestBytes = 0;
  /** The bytes last reported to the load: not decoded yet, and not read by the client yet. */
  #knownPending = 0;
  #knownOutput = 0;
  readonly #output: ReplyOutput;
  readonly #slowReader: SlowReader;
  #cancelEnd: Cancel | null = null;
  #cancelProbe: Cancel | null = null;
  #isProbing = false;
  #isDirty = false;
  #isSending = false;
  #isPaused = false;
  #isYielding = false;
  /** Whether the client has closed its side while its requests wait to be decoded. */
  #isEndDue = false;
  #isEnding = false;
  #isClosed = false;

  constructor(id: number, socket: Socket, owner: ConnectionOwner) {
    super(plainHost(socket.remoteAddress ?? "?"));
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
      disconnect: () => this.disconnect(),
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
    socket.on("error", () => {}); // "close" follows, and handles it
    socket.once("close", () => this.#closed());
  }

  /** Number of requests without an answer, or whose answer is not sent yet. */
  get outstanding(): number {
    return this.#replies.size;
  }

  /** Whether it waits for no reply, and gets no pushes. */
  get isIdle(): boolean {
    return this.outstanding === 0 && !this.isWatching && this.#output.isHandedOver;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Bytes of unread replies above which the client is disconnected unless it reads some. */
  get outputBytesMax(): number {
    return this.#owner.limits.outputBytesMax;
  }

  /** Sends a message that answers no request, without waiting for open replies. */
  push(message: PushReply): void {
    if (this.#isClosed || this.#isEnding || this.#isSilent) return;
    this.#guard(() => {
      this.#replies.interject(encodeReply(message, this.protocol), this.#output);
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

  /** Ends the connection, since serving it failed. */
  fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#owner.logFailure(this, error);
    this.destroy();
  }

  /** Accepts no further requests, and closes once the earlier ones are answered. */
  closeAfterReplies(): void {
    this.#isEnding = true;
    this.#socket.pause();
    this.#markDirty();
  }

  /**
   * The client has closed its side. Whether it still reads is unknown. Its last requests still get
   * their answers, unless they may wait without a bound.
   */
  #ended(): void {
    if (this.#isYielding) {
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

  /** Sends the replies that became ready while the listener was silent. */
  wake(): void {
    this.#markDirty();
  }

  /** Closes the connection at once, without sending what is left. */
  destroy(): void {
    this.#socket.destroy();
    this.#closed();
  }

  /** Notes that a reply is settled. Called by `PendingReply`. */
  noteSettled(reply: PendingReply): void {
    if (this.#isClosed) return;
    this.#requestBytes -= reply.requestBytes;
    this.#owner.load.unansweredBytes -= reply.requestBytes;
    this.#owner.largeRequests.note(reply, 0);
    this.#replies.settledBytes += reply.bytes;
    const { settledBytes, first } = this.#replies;
    // Without a flush, replies that wait for an earlier one would not be counted.
    if (reply === first || settledBytes > UNCOUNTED_BYTES_MAX) this.#markDirty();
    if (reply !== first && settledBytes > this.#owner.limits.outputBytesMax) {
      this.#slowReader.check();
    }
  }

  /** Sets protocol and muting of the reply to the request that is served next. */
  prepare(reply: PendingReply): void {
    reply.protocol = this.protocol; // a request before it may have been HELLO
    reply.isMuted = this.replyMode !== "on";
    if (this.replyMode === "skip") this.replyMode = "on";
  }

  /** Sends all replies that are ready, in as few writes as possible. */
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
    if (this.#isEnding && isAnswered) {
      this.#socket.setTimeout(LINGER_MS, () => this.#socket.destroy());
      return void this.#socket.end(() => this.#socket.destroy());
    }
    const isMoreReady = !this.#output.isHandedOver || this.#replies.isReady;
    if (isMoreReady && !this.#output.willDrain) this.#goOnSending();
    this.#resumeWhenRelieved();
  }

  /** Sends more in the next turn: the socket took everything at once, so it emits no `drain`. */
  #goOnSending(): void {
    if (this.#isSending) return;
    this.#isSending = true;
    this.#owner.clock.after(0, () => {
      this.#isSending = false;
      this.#drained();
    });
  }

  #drained(): void {
    this.#slowReader.noteDrain();
    this.flush();
  }

  get #isSilent(): boolean {
    return this.#owner.isSilent && !this.ignoresSilence;
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

  disconnect(reason = "does not read its replies (--output-bytes-max)"): void {
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
      else if (!this.#isYielding) this.#decode();
      else if (this.#decoder.pendingBytes > YIELDING_BYTES_MAX) this.#pause();
      this.#reportPending();
    } catch (error) {
      this.fail(error);
    }
  }

  #decode(): void {
    this.lastReadMs = this.#owner.clock.monotonicMs();
    // Replies are sent at the end of the turn, so the window and the room do not grow in this loop.
    const window = this.#output.room > 0 ? this.#window : 0;
    for (let count = 1; !this.#isEnding && !this.#isClosed; count++) {
      if (this.outstanding >= window) return this.#pause();
      if (this.#hasDecodedForLong(count)) return this.#yield();
      if (this.#hasTooManyBytes()) return this.#pause();
      const goesOn = this.#owner.isForwarding ? this.#forwardNext() : this.#takeNext();
      if (!goesOn) return;
    }
  }

  /** Whether reading has to stop. A client with a single request is read until that is complete. */
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

  #hasDecodedForLong(count: number): boolean {
    const isReadDue = count % REQUESTS_PER_CLOCK_READ === 0 ||
      (count > 1 && this.#replies.settledBytes > REPLY_BYTES_PER_CLOCK_READ);
    return isReadDue && this.#owner.clock.monotonicMs() - this.lastReadMs > DECODE_MS_MAX;
  }

  /**
   * Yields to the event loop; the requests that are buffered wait. The socket is not paused for it:
   * Deno 2.6 mixes up the data it reads when a socket is resumed so soon.
   */
  #yield(): void {
    this.#isYielding = true;
    this.#owner.clock.after(0, () => {
      this.#isYielding = false;
      this.#guard(() => this.#resumeAfterYield());
    });
  }

  #resumeAfterYield(): void {
    if (this.#isEnding || this.#isClosed) return;
    if (this.#isPaused) return this.#resumeWhenRelieved();
    this.#decode();
    this.#reportPending();
    this.#endIfDue();
  }

  #endIfDue(): void {
    if (!this.#isEndDue || this.#isYielding) return;
    if (!this.#isPaused || this.#isWaiting) this.#ended();
  }

  #pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
    if (this.#cancelProbe === null && this.#isWaiting) this.#probeLater();
  }

  /** Reads from time to time during a pause, since only reading shows that a client is gone. */
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
    this.#owner.logProtocolError(this, "keeps sending while its own request waits without a bound");
    this.destroy();
  }

  #resumeWhenRelieved(): void {
    if (!this.#isPaused || this.#isYielding || this.#isEnding || this.#isClosed) return;
    if (this.outstanding > this.#window / 2 || this.#output.room <= 0) return;
    const { load, limits } = this.#owner;
    if (this.#requestBytes > limits.pipelineBytesMax / 2 || load.isWaiting(this)) return;
    this.#isPaused = this.#isProbing = false;
    this.#decode();
    this.#reportPending();
    if (!this.#isPaused) this.#socket.resume();
    this.#endIfDue();
  }

  /** Resumes reading: there is room for the requests of all clients, or it is this one's turn. */
  resume(): void {
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

/** One end of a socket, as Redis prints it; `?:0` when the client has gone already. */
function endText(host = "?", port = 0): string {
  return formatAddress({ host: plainHost(host), port });
}
