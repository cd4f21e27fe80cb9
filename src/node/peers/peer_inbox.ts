import { messageOf } from "../../base/errors.ts";
import type { NodeId } from "../../raft/types.ts";
import type { Cancel, Clock } from "../clock.ts";
import type { LogEntry } from "../entry.ts";
import { decodeEntry } from "../log/entry_codec.ts";
import type { Stream } from "../network.ts";
import { FrameDecoder, ProtocolError } from "./frame_decoder.ts";
import { FrameWriter } from "./frame_writer.ts";
import {
  type AppendHeader,
  type ChunkHeader,
  decodeHeader,
  decodeHello,
  type Hello,
  joinAppend,
  joinChunk,
  joinOffer,
  type OfferHeader,
  type RemovedNotice,
} from "./message_codec.ts";
import { type PeerMessage, SNAPSHOT_CHUNK_BYTES_MAX } from "./peer_message.ts";

/** A sender is shown that somebody listens no more often than this, and no later after it spoke. */
const ALIVE_INTERVAL_MS = 300;
/**
 * A hello or a message's header. Only entries are large, and only members send them: whoever has not
 * said who he is cannot make a node keep more than this.
 */
const HEADER_BYTES_MAX = 4096;
const ALIVE_FRAME = '{"type":"alive"}';

export interface PeerInboxOptions {
  readonly self: NodeId;
  readonly frameBytesMax: number;
  readonly clock: Clock;
  /** The connection is being closed for this reason. */
  readonly onRefusal: (who: string, remote: string, reason: string) => void;
  /**
   * Says whether this peer may speak to us.
   *
   * @returns what it is told before the connection is closed; `null`: it is welcome
   * @throws {ProtocolError} when not
   */
  readonly onHello: (hello: Hello) => RemovedNotice | null;
  readonly onMessage: (message: PeerMessage) => void;
  readonly onClose: (inbox: PeerInbox) => void;
}

/** One accepted connection of a peer: a hello, then its messages. Any fault closes it. */
export class PeerInbox {
  readonly #stream: Stream;
  readonly #options: PeerInboxOptions;
  readonly #frames: FrameDecoder;
  #peer: NodeId | null = null;
  #append: AppendHeader | null = null;
  /** What the next frame belongs to. */
  #snapshotHeader: OfferHeader | ChunkHeader | null = null;
  #entries: LogEntry[] = [];
  #entryBytes = 0;
  #aliveSentMs = -Infinity;
  /** Of the sign of life that is due for what came since the last. */
  #cancelAlive: Cancel | null = null;
  #isClosed = false;

  constructor(stream: Stream, options: PeerInboxOptions) {
    this.#stream = stream;
    this.#options = options;
    this.#frames = new FrameDecoder(options);
    stream.handle({
      onOpen: () => {},
      onData: (bytes) => this.#received(bytes),
      onClose: () => this.#closed(),
    });
  }

  /** Who speaks here; `null` before the hello. */
  get peer(): NodeId | null {
    return this.#peer;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#stream.close();
    this.#closed();
  }

  #received(bytes: Uint8Array): void {
    try {
      this.#frames.push(bytes);
      for (;;) {
        const payload = this.#isClosed ? null : this.#nextFrame();
        if (payload === null) break;
        this.#frame(payload);
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const who = this.#peer ?? "an unknown node";
      this.#options.onRefusal(who, this.#stream.remote, error.message);
      this.close();
      return;
    }
    this.#showLife();
  }

  #nextFrame(): Uint8Array | null {
    if (this.#append !== null) return this.#frames.next();
    const isHeader = this.#snapshotHeader === null;
    return this.#frames.next(isHeader ? HEADER_BYTES_MAX : SNAPSHOT_CHUNK_BYTES_MAX);
  }

  #frame(payload: Uint8Array): void {
    if (this.#peer === null) {
      this.#hello(decodeHello(payload));
    } else if (this.#append !== null) {
      this.#entry(this.#append, payload);
    } else if (this.#snapshotHeader !== null) {
      const header = this.#snapshotHeader;
      this.#snapshotHeader = null;
      const isChunk = header.type === "snapshotChunk";
      this.#options.onMessage(isChunk ? joinChunk(header, payload) : joinOffer(header, payload));
    } else {
      this.#header(this.#peer, payload);
    }
  }

  #hello(hello: Hello): void {
    const notice = this.#options.onHello(hello);
    if (notice !== null) {
      const frames = new FrameWriter();
      frames.addText(JSON.stringify(notice));
      this.#write(frames);
      throw new ProtocolError(`${hello.from} was removed from the cluster`);
    }
    this.#peer = hello.from;
  }

  #header(peer: NodeId, payload: Uint8Array): void {
    const { self, onMessage } = this.#options;
    const header = decodeHeader(payload, peer, self);
    if (header.type === "append") {
      if (header.entries === 0) onMessage(joinAppend(header, []));
      else this.#append = header;
    } else if (header.type === "snapshotOffer" || header.type === "snapshotChunk") {
      this.#snapshotHeader = header;
    } else {
      onMessage(header);
    }
  }

  #entry(header: AppendHeader, payload: Uint8Array): void {
    this.#entryBytes += payload.length;
    if (this.#entryBytes > 2 * this.#options.frameBytesMax) {
      throw new ProtocolError("an append over the limit");
    }
    try {
      this.#entries.push(decodeEntry(payload, this.#frames.isKept(payload)));
    } catch (error) {
      throw new ProtocolError(messageOf(error));
    }
    if (this.#entries.length < header.entries) return;
    const message = joinAppend(header, this.#entries);
    this.#append = null;
    this.#entries = [];
    this.#entryBytes = 0;
    this.#options.onMessage(message);
  }

  #showLife(): void {
    if (this.#isClosed || this.#peer === null || this.#cancelAlive !== null) return;
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const dueMs = this.#aliveSentMs + ALIVE_INTERVAL_MS;
    if (nowMs < dueMs) {
      // Whoever speaks seldom would take the silence until he speaks again for a broken connection.
      this.#cancelAlive = clock.after(dueMs - nowMs, () => this.#sendAlive());
      return;
    }
    this.#sendAlive();
  }

  #sendAlive(): void {
    this.#cancelAlive = null;
    this.#aliveSentMs = this.#options.clock.monotonicMs();
    const alive = new FrameWriter();
    alive.addText(ALIVE_FRAME);
    this.#write(alive);
  }

  #write(frames: FrameWriter): void {
    for (const piece of frames.take()) this.#stream.write(piece);
  }

  #closed(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelAlive?.();
    this.#options.onClose(this);
  }
}
