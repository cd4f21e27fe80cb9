import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import tls, { type TLSSocket } from "node:tls";
import { formatAddress, plainHost } from "../../base/address.ts";
import { messageOf, UserError } from "../../base/errors.ts";
import type { Logger } from "../../base/logger.ts";
import type { Cancel, Clock } from "../clock.ts";
import type { Peer } from "../network.ts";
import type { ConnectionGate, Socket } from "../sockets.ts";
import { Purpose } from "./certificate.ts";
import { checkChain } from "./chain.ts";
import type { TlsCredentials } from "./credentials.ts";
import { tlsReason } from "./reasons.ts";
import { RefusalLog } from "./refusals.ts";
import { rawOf, secured, sentCertificates, TLS_VERSIONS } from "./secured.ts";

/** The first bytes of a TLS connection: a record of kind handshake, of version 3.x. */
const HANDSHAKE_RECORD = 0x16;
const RECORD_VERSION = 0x03;
const RECORD_HEADER_BYTES = 5;
/** Maximum length of an unencrypted record (RFC 8446, section 5.1). */
const RECORD_BYTES_MAX = 2 ** 14;

/** Time in milliseconds for a handshake, from the connection's first moment. */
const HANDSHAKE_MS = 10_000;
/** A handshake younger than this, in milliseconds, does not make room for another one. */
const YOUNG_MS = 1_000;
/** Number of connections that may be in handshakes beside all that are open. */
const HANDSHAKES_MIN = 64;
/** The runtime sends all authorities to each client, and any of them could name a node. */
const AUTHORITIES_MAX = 16;
/** Maximum number of handshakes that begin in one turn of the event loop: each takes about 1 ms. */
const BEGUN_PER_TURN_MAX = 4;

export interface TlsGateOptions {
  readonly credentials: TlsCredentials;
  /** Whether plain connections are let in too. */
  readonly takesPlain: boolean;
  /** Whether each TLS client must show a certificate. One that is shown must always be good. */
  readonly requiresCertificate: boolean;
  /**
   * Says why a peer with a good certificate is not let in, after "its certificate"; `null` if it is.
   *
   * @default everybody is
   */
  readonly refusePeer?: (peer: Peer) => string | null;
  /** Maximum number of connections that are open, or in handshakes. */
  readonly connectionsMax: number;
  /** Time in milliseconds for a handshake. @default 10 s */
  readonly handshakeMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What listens, in log lines: `the Raft port`. */
  readonly port: string;
}

interface Pending {
  readonly raw: Socket;
  readonly accepted: (socket: Socket) => void;
  readonly sinceMs: number;
  readonly cancel: Cancel;
  /** What came before the handshake began. */
  readonly chunks: Uint8Array[];
  bytes: number;
  stage: "hello" | "handshake" | "over";
}

/**
 * The server's side of TLS, for one port.
 *
 * Findings about Deno 2.9's `node:tls`, by experiment:
 * - A `tls.Server` that never listens takes sockets by the event `connection`, also when a part of
 *   them was read and put back: that makes it possible to look at the first byte.
 * - `requestCert` with `rejectUnauthorized: false` lets everybody in and says why not; with `true` a
 *   wrong authority shows as `ECONNRESET` only. `authorized` alone must not be trusted: see
 *   `checkChain`.
 * - `setSecureContext` holds for new connections, and throws nothing for bad input.
 * - The versions are TLS 1.2 and 1.3, and the suites those of rustls: AES-GCM and ChaCha20-Poly1305,
 *   with ECDHE; `ciphers` is ignored. Sessions are resumed by tickets, whose keys the whole process
 *   shares.
 * - A silent connection holds 14 KB here, one after half a handshake 50 KB, an open one 40 KB.
 *
 * A socket becomes a TLS connection only when its first record is complete, so that who sends
 * nothing, or plain text, costs little.
 */
export class TlsGate implements ConnectionGate {
  readonly #options: TlsGateOptions;
  readonly #server: tls.Server;
  readonly #refusals: RefusalLog;
  readonly #stopReloading: Cancel;
  /** Those in handshakes, oldest first. */
  readonly #pending = new Set<Pending>();
  readonly #byRaw = new WeakMap<Socket, Pending>();
  /** Whose first record is complete. */
  #waiting: Pending[] = [];
  #open = 0;

  constructor(options: TlsGateOptions) {
    this.#options = options;
    this.#refusals = new RefusalLog(options.clock, options.logger);
    const { credentials } = options;
    if (credentials.current.authorities.length > AUTHORITIES_MAX) {
      throw new UserError(
        `Cannot use a file of more than ${AUTHORITIES_MAX} authorities for a server: it must have ` +
          "those of this cluster alone",
      );
    }
    this.#server = tls.createServer(this.#context());
    this.#server.on("secureConnection", (socket) => this.#shaken(socket));
    this.#server.on("tlsClientError", (error, socket) => this.#failed(error, socket));
    this.#stopReloading = credentials.onChange(() => {
      this.#server.setSecureContext(this.#context());
    });
  }

  /** Number of connections in handshakes. */
  get handshakes(): number {
    return this.#pending.size;
  }

  take(raw: Socket, accepted: (socket: Socket) => void): void {
    raw.on("error", () => {}); // `close` follows
    if (!this.#makeRoom()) {
      this.#log(raw, "room", "there are too many handshakes at once");
      return void raw.destroy();
    }
    const { clock, handshakeMs = HANDSHAKE_MS } = this.#options;
    const pending: Pending = {
      raw,
      accepted,
      sinceMs: clock.monotonicMs(),
      cancel: clock.after(handshakeMs, () => this.#tooLate(pending)),
      chunks: [],
      bytes: 0,
      stage: "hello",
    };
    this.#pending.add(pending);
    this.#byRaw.set(raw, pending);
    const received = (chunk: Uint8Array) => {
      pending.chunks.push(chunk);
      pending.bytes += chunk.length;
      this.#receivedHello(pending);
    };
    raw.on("data", received);
    raw.once("end", () => {
      if (pending.stage === "hello") raw.destroy();
    });
    raw.once("close", () => this.#closed(pending));
  }

  /** Ends all handshakes. */
  close(): void {
    this.#stopReloading();
    for (const { raw } of [...this.#pending]) raw.destroy();
    this.#server.close();
  }

  #context(): tls.TlsOptions {
    const { own, authoritiesPem } = this.#options.credentials.current;
    if (own === null) throw new Error("a server needs a certificate");
    return {
      ...TLS_VERSIONS,
      cert: own.pem,
      key: own.keyPem,
      ca: authoritiesPem,
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: 0, // there is a timer of our own
    };
  }

  /** Whether there is a place for another connection, perhaps that of a slow handshake. */
  #makeRoom(): boolean {
    const { connectionsMax, clock } = this.#options;
    if (this.#pending.size < Math.max(HANDSHAKES_MIN, connectionsMax - this.#open)) return true;
    const [oldest] = this.#pending;
    if (oldest === undefined || clock.monotonicMs() - oldest.sinceMs < YOUNG_MS) return false;
    this.#log(
      oldest.raw,
      "room",
      "there are too many handshakes at once, and this was the slowest",
    );
    this.#remove(oldest);
    oldest.raw.destroy();
    return true;
  }

  #receivedHello(pending: Pending): void {
    if (pending.stage !== "hello") return;
    const { raw, chunks } = pending;
    const bytes = chunks.length === 1 ? chunks[0] ?? new Uint8Array() : Buffer.concat(chunks);
    pending.chunks.splice(0, Infinity, bytes);
    if (bytes[0] !== HANDSHAKE_RECORD) {
      if (this.#options.takesPlain) return this.#passPlain(pending);
      return this.#refuse(pending, "plain", "sent plain text where TLS is expected");
    }
    const length = (bytes[3] ?? 0) << 8 | (bytes[4] ?? 0);
    const isWrong = (bytes[1] ?? RECORD_VERSION) !== RECORD_VERSION || length > RECORD_BYTES_MAX;
    if (isWrong) return this.#refuse(pending, "record", "sent something that is not TLS");
    if (bytes.length < RECORD_HEADER_BYTES || bytes.length < RECORD_HEADER_BYTES + length) return;
    pending.stage = "handshake";
    raw.removeAllListeners("data");
    raw.pause();
    raw.unshift(bytes);
    this.#waiting.push(pending);
    if (this.#waiting.length === 1) setImmediate(() => this.#begin());
  }

  /** Begins some of the handshakes that wait, and lets other work go on between them. */
  #begin(): void {
    for (const pending of this.#waiting.splice(0, BEGUN_PER_TURN_MAX)) {
      if (pending.stage !== "handshake" || pending.raw.destroyed) continue;
      this.#server.emit("connection", pending.raw);
    }
    if (this.#waiting.length > 0) setImmediate(() => this.#begin());
  }

  #passPlain(pending: Pending): void {
    const { raw, accepted } = pending;
    const chunks = pending.chunks.splice(0);
    raw.removeAllListeners("data");
    raw.removeAllListeners("end");
    this.#remove(pending);
    this.#count(raw);
    raw.pause();
    for (const chunk of chunks) raw.unshift(chunk);
    accepted(raw);
    raw.resume(); // no owner pauses a connection before anything has come
  }

  #shaken(socket: TLSSocket): void {
    const pending = this.#pendingOf(socket);
    socket.on("error", () => {}); // `close` follows
    if (pending === undefined) return void socket.destroy();
    let peer: Peer | null;
    try {
      peer = this.#peerOf(socket);
    } catch (error) {
      this.#refuse(pending, messageOf(error), messageOf(error));
      return void socket.destroy();
    }
    this.#remove(pending);
    this.#count(socket);
    secured(socket, peer);
    pending.accepted(socket);
  }

  /** @throws {Error} saying why the peer is not let in */
  #peerOf(socket: TLSSocket): Peer | null {
    const { credentials, requiresCertificate, refusePeer = () => null } = this.#options;
    const sent = sentCertificates(socket);
    if (sent === null && requiresCertificate) throw new Error("showed no certificate");
    if (sent === null) return null;
    const { leaf, peer, intermediates } = sent;
    const reason = checkChain(leaf, {
      intermediates,
      authorities: credentials.current.authorities,
      purpose: Purpose.clientAuth,
      nowMs: this.#options.clock.nowMs(),
    }) ?? refusePeer(peer);
    if (reason !== null) throw new Error(`its certificate (${peer}) ${reason}`);
    // Nodes and proxies resume no sessions; see `checkChain` for what the runtime does with others.
    if (requiresCertificate && socket.isSessionReused()) throw new Error("resumed a session");
    if (!socket.authorized) {
      throw new Error(`its certificate (${peer}) is refused: ${socket.authorizationError}`);
    }
    return peer;
  }

  #failed(error: Error, socket: TLSSocket): void {
    const pending = this.#pendingOf(socket);
    if (pending === undefined) return;
    const reason = tlsReason(error.message);
    this.#refuse(pending, reason, `the TLS handshake failed: ${reason}`);
    socket.destroy();
  }

  #tooLate(pending: Pending): void {
    const { handshakeMs = HANDSHAKE_MS, takesPlain } = this.#options;
    // A client that waits before it speaks, as pools of connections do, speaks no TLS.
    if (pending.bytes === 0 && takesPlain) return this.#passPlain(pending);
    const what = pending.bytes === 0 ? "sent nothing" : "did not finish the TLS handshake";
    this.#refuse(pending, "late", `${what} within ${handshakeMs / 1000} s`);
  }

  /** Logs why, and ends the connection, in a moment so that the runtime's alert goes out first. */
  #refuse(pending: Pending, kind: string, reason: string): void {
    if (pending.stage === "over") return;
    this.#log(pending.raw, kind, reason);
    this.#remove(pending);
    setImmediate(() => pending.raw.destroy());
  }

  #log(raw: Socket, kind: string, reason: string): void {
    const host = plainHost(raw.remoteAddress ?? "?");
    const from = formatAddress({ host, port: raw.remotePort ?? 0 });
    this.#refusals.refuse(host, kind, `refuses ${from} on ${this.#options.port}: ${reason}`);
  }

  #closed(pending: Pending): void {
    if (pending.stage !== "over") this.#remove(pending);
  }

  #remove(pending: Pending): void {
    pending.stage = "over";
    pending.cancel();
    pending.chunks.length = 0;
    this.#pending.delete(pending);
  }

  #count(socket: Socket): void {
    this.#open++;
    socket.once("close", () => this.#open--);
  }

  #pendingOf(socket: TLSSocket): Pending | undefined {
    const raw = rawOf(socket);
    return raw === undefined ? undefined : this.#byRaw.get(raw);
  }
}
