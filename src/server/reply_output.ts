import type net from "node:net";

/** What the socket holds at most. The rest waits as text, which shares its memory with the values. */
const SOCKET_BYTES_MAX = 1024 * 1024;

/** Text on its way to one client, handed to the socket in pieces as the client takes them. */
export class ReplyOutput {
  readonly #socket: net.Socket;
  #text = "";

  constructor(socket: net.Socket) {
    this.#socket = socket;
  }

  /** Bytes that the client has not taken yet. */
  get waitingBytes(): number {
    return this.#text.length + this.#socket.writableLength;
  }

  /** Bytes that may be added for now; the socket's `drain` tells of new room. */
  get room(): number {
    return SOCKET_BYTES_MAX - this.waitingBytes;
  }

  /** Everything is with the socket. */
  get isHandedOver(): boolean {
    return this.#text === "";
  }

  add(text: string): void {
    this.#text += text;
  }

  /** Hands over as much as the socket is to hold, in as few writes as that takes. */
  send(): void {
    while (this.#text !== "" && this.#socket.writableLength < SOCKET_BYTES_MAX) {
      const text = this.#text;
      this.#text = text.slice(SOCKET_BYTES_MAX);
      this.#socket.write(this.#text === "" ? text : text.slice(0, SOCKET_BYTES_MAX), "latin1");
    }
  }

  clear(): void {
    this.#text = "";
  }
}
