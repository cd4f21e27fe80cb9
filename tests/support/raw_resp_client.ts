/**
 * A RESP client for tests that returns each reply as the bytes that arrived, one character (0–255)
 * for each. It only finds where replies end, and is independent of the code under test.
 */
export class RawRespClient {
  readonly #connection: Deno.Conn;
  readonly #buffer = new Uint8Array(1 << 16);
  #received = "";
  #at = 0;

  private constructor(connection: Deno.Conn) {
    this.#connection = connection;
  }

  static async connect(port: number, hostname = "127.0.0.1"): Promise<RawRespClient> {
    return new RawRespClient(await Deno.connect({ hostname, port }));
  }

  /** Sends all requests at once, and waits for all replies. */
  async send(...requests: readonly (readonly string[])[]): Promise<string[]> {
    const writing = this.#write(requests.map(encode).join(""));
    const replies: string[] = [];
    while (replies.length < requests.length) replies.push(await this.#next());
    await writing;
    return replies;
  }

  close(): void {
    this.#connection.close();
  }

  async #write(text: string): Promise<void> {
    const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
    for (let at = 0; at < bytes.length;) at += await this.#connection.write(bytes.subarray(at));
  }

  async #next(): Promise<string> {
    while (true) {
      const end = replyEnd(this.#received, this.#at);
      if (end >= 0) {
        const reply = this.#received.slice(this.#at, end);
        this.#at = end;
        return reply;
      }
      const length = await this.#connection.read(this.#buffer);
      if (length === null) throw new Error("Cannot read the reply: the connection was closed");
      this.#received = this.#received.slice(this.#at) + text(this.#buffer.subarray(0, length));
      this.#at = 0;
    }
  }
}

function encode(args: readonly string[]): string {
  return `*${args.length}\r\n` + args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join("");
}

function text(bytes: Uint8Array): string {
  let result = "";
  for (let at = 0; at < bytes.length; at += 1024) {
    result += String.fromCharCode(...bytes.subarray(at, at + 1024));
  }
  return result;
}

/** The end of the reply that starts at `from`, or -1 if it is incomplete. */
function replyEnd(received: string, from: number): number {
  const lineEnd = received.indexOf("\r\n", from);
  if (lineEnd < 0) return -1;
  const type = received.charAt(from);
  const count = Number(received.slice(from + 1, lineEnd));
  let end = lineEnd + 2;
  if ("$=!".includes(type) && count >= 0) {
    end += count + 2;
  } else if ("*~>%".includes(type)) {
    const elements = type === "%" ? 2 * count : count;
    for (let element = 0; element < elements && end >= 0; element++) {
      end = replyEnd(received, end);
    }
  }
  return end <= received.length ? end : -1;
}
