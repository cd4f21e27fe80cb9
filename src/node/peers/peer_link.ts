import { type Random, randomInteger } from "../../base/random.ts";
import type { NodeId } from "../../raft/types.ts";
import type { Cancel, Clock } from "../clock.ts";
import { encodeEntry } from "../log/entry_codec.ts";
import { isSame } from "../member_changes.ts";
import type { Address, Network, Stream } from "../network.ts";
import { FrameWriter } from "./frame_writer.ts";
import { FrameDecoder, ProtocolError } from "./frame_decoder.ts";
import { decodeNotice, encodeBody, encodeHeader, type RemovedNotice } from "./message_codec.ts";
import type { PeerMessage } from "./peer_message.ts";

const RETRY_MS_MIN = 20;
const RETRY_MS_MAX = 500;
/** Bytes that the network has not taken, above which messages are dropped: Raft repeats them. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;
/**
 * How long a connection may take to open. The kernel waits longer and longer before it tries again, up
 * to a minute: after a network that swallowed everything is well, so long nothing would be sent.
 */
const DIAL_MS_MAX = 1_000;
/** A peer that shows no sign of life for so long after a message is dialled anew. */
const SILENCE_MS_MAX = 1_000;
/** Of what a peer says on a link that is not its own: signs of life, hardly more. */
const NOTICE_BYTES_MAX = 1_024;

export interface PeerLinkOptions {
  readonly peer: NodeId;
  /** The text of the hello that opens a connection. */
  readonly hello: () => string;
  readonly network: Network;
  readonly clock: Clock;
  readonly random: Random;
  /** What was sent may be lost. */
  readonly onLost: (peer: NodeId) => void;
  /** The peer says that somebody has been removed. */
  readonly onRemoved: (notice: RemovedNotice) => void;
}

/** A connection that carries messages of this node to one peer; dials again whenever it breaks. */
export class PeerLink {
  #address: Address;
  /** Where the peer was before, or may be instead: tried when nobody answers. */
  #otherAddress: Address | null = null;
  readonly #options: PeerLinkOptions;
  readonly #frames = new FrameWriter();
  #stream: Stream | null = null;
  #isOpen = false;
  /** The peer said something on this connection. */
  #isAnswered = false;
  #isStopped = false;
  #retryMs = RETRY_MS_MIN;
  /** Of the timer that dials next: after a failure, or when this attempt takes too long. */
  #cancelRetry: Cancel | null = null;
  /** When the oldest message was sent after which nothing was heard; `null`: none. */
  #unansweredSinceMs: number | null = null;

  constructor(address: Address, options: PeerLinkOptions) {
    this.#address = address;
    this.#options = options;
    this.#dial();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Takes a message for the next `flush`; without a connection it is lost. */
  send(message: PeerMessage): void {
    if (!this.#isOpen) return;
    this.#frames.addText(encodeHeader(message));
    if (message.type === "append") {
      for (const entry of message.entries) this.#frames.addPayload(encodeEntry(entry));
      return;
    }
    const body = encodeBody(message);
    if (body !== null) this.#frames.addPayload(body);
  }

  /** Sends what was collected in this turn. */
  flush(): void {
    if (this.#frames.isEmpty) return;
    const pieces = this.#frames.take();
    if (!this.#isOpen || this.#stream === null) return;
    const nowMs = this.#options.clock.monotonicMs();
    this.#unansweredSinceMs ??= nowMs;
    if (nowMs - this.#unansweredSinceMs > SILENCE_MS_MAX) return this.#reconnect();
    if (this.#stream.pendingBytes() > PENDING_BYTES_MAX) {
      return this.#options.onLost(this.#options.peer);
    }
    for (const piece of pieces) this.#stream.write(piece);
  }

  /** The peer is to be found elsewhere from now on. */
  moveTo(address: Address): void {
    if (isSame(address, this.#address)) return;
    this.#otherAddress = this.#address;
    this.#address = address;
    this.#retryMs = RETRY_MS_MIN;
    this.#isAnswered = true; // the other address is not to be tried before this one
    if (this.#stream !== null) return this.#reconnect();
    this.dialNow();
  }

  /** The peer is known to be up: does not wait any longer to dial it. */
  dialNow(): void {
    if (this.#stream !== null || this.#isStopped) return;
    this.#cancelRetry?.();
    this.#dial();
  }

  /** Closes the connection, if there is one, and dials again. */
  renew(): void {
    if (this.#isOpen) this.#reconnect();
  }

  stop(): void {
    this.#isStopped = true;
    this.#isOpen = false;
    this.#cancelRetry?.();
    this.#stream?.close();
  }

  #dial(): void {
    this.#cancelRetry = this.#options.clock.after(DIAL_MS_MAX, () => this.#reconnect());
    const answers = new FrameDecoder({ frameBytesMax: NOTICE_BYTES_MAX });
    const stream = this.#options.network.connect(this.#address, {
      onOpen: () => this.#opened(stream),
      onData: (bytes) => this.#heard(answers, bytes),
      onClose: () => this.#closed(),
    });
    this.#stream = stream;
    this.#isAnswered = false;
  }

  #opened(stream: Stream): void {
    this.#cancelRetry?.();
    this.#isOpen = true;
    this.#unansweredSinceMs = null;
    this.#retryMs = RETRY_MS_MIN;
    const hello = new FrameWriter();
    hello.addText(this.#options.hello());
    for (const piece of hello.take()) stream.write(piece);
  }

  #heard(answers: FrameDecoder, bytes: Uint8Array): void {
    this.#unansweredSinceMs = null;
    this.#isAnswered = true;
    try {
      answers.push(bytes);
      for (let frame = answers.next(); frame !== null; frame = answers.next()) {
        const notice = decodeNotice(frame);
        if (notice !== null) this.#options.onRemoved(notice);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#reconnect();
    }
  }

  #reconnect(): void {
    this.#stream?.close();
    this.#closed();
  }

  #closed(): void {
    const wasOpen = this.#isOpen;
    if (!this.#isAnswered && this.#otherAddress !== null) {
      [this.#address, this.#otherAddress] = [this.#otherAddress, this.#address];
    }
    this.#isOpen = false;
    this.#stream = null;
    this.#cancelRetry?.();
    if (this.#isStopped) return;
    const jitterMs = randomInteger(this.#options.random, this.#retryMs);
    this.#cancelRetry = this.#options.clock.after(this.#retryMs + jitterMs, () => this.#dial());
    this.#retryMs = Math.min(RETRY_MS_MAX, this.#retryMs * 2);
    if (wasOpen) this.#options.onLost(this.#options.peer);
  }
}
