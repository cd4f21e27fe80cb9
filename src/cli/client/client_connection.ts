import { formatAddress } from "../../base/address.ts";
import { messageOf, UserError } from "../../base/errors.ts";
import type { Address } from "../../platform/network.ts";
import { tlsReason } from "../../platform/tls/reasons.ts";
import { splitInline } from "../../resp/inline.ts";
import { ErrorReply, type PushReply, type Reply } from "../../resp/reply.ts";
import { ConnectionLost, RespClient } from "../resp_client.ts";
import { type ClientOutput, type ReplyStyle, styledReply, writePieces } from "./replies.ts";
import { inputLines } from "./typed_lines.ts";

const CONNECT_TIMEOUT_MS = 5_000;
const REPLY_BYTES_MAX = 256 * 1024 * 1024;

/**
 * The reason why a host cannot be reached, in words for the user.
 *
 * @param message that of the system's error
 */
export function reachReason(message: string): string {
  if (message.includes("ECONNREFUSED")) return "connection refused";
  if (message.includes("ENOTFOUND")) return "unknown host";
  return message === "" ? "no answer" : tlsReason(message);
}

export interface ClientConnectionOptions {
  /** Whether to send `HELLO 3` on each new connection. @default false */
  readonly isResp3?: boolean;
  /** @default pushes are dropped */
  readonly onPush?: (push: PushReply) => void;
}

/** A connection that is opened when there is something to send, and again after it was lost. */
export class ClientConnection {
  /** `HOST:PORT` */
  readonly name: string;
  readonly #address: Address;
  readonly #isResp3: boolean;
  readonly #onPush: (push: PushReply) => void;
  #client: RespClient | null = null;

  constructor(address: Address, { isResp3 = false, onPush = () => {} }: ClientConnectionOptions) {
    this.name = formatAddress(address);
    this.#address = address;
    this.#isResp3 = isResp3;
    this.#onPush = onPush;
  }

  get isConnected(): boolean {
    return this.#client?.isConnected ?? false;
  }

  /** @throws {UserError} when nobody answers */
  async connect(): Promise<void> {
    if (this.isConnected) return;
    try {
      this.#client = await RespClient.connect(this.#address, {
        timeoutMs: CONNECT_TIMEOUT_MS,
        onPush: this.#onPush,
        limits: { replyBytesMax: REPLY_BYTES_MAX },
      });
      if (!this.#isResp3) return;
      const answer = await this.#client.request(["HELLO", "3"], CONNECT_TIMEOUT_MS);
      if (answer instanceof ErrorReply) throw new ConnectionLost(answer.text);
    } catch (error) {
      this.close();
      if (error instanceof UserError) throw error;
      const reason = reachReason(messageOf(error));
      throw new UserError(`Cannot connect to ${this.name}: ${reason}`, { cause: error });
    }
  }

  /**
   * Sends a request and waits for the reply without a time limit. Connects first if needed. A
   * request is never sent twice, since it may have been executed.
   *
   * @throws {UserError} when nobody answers, or the reply is lost
   */
  async request(args: readonly string[]): Promise<Reply> {
    await this.connect();
    try {
      return await (this.#client as RespClient).request(args, Infinity);
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      throw new UserError(
        `Cannot tell whether it was executed: the connection to ${this.name} was lost ` +
          `before the answer: ${error.message}`,
        { cause: error },
      );
    }
  }

  /** @param reason given to a request that still waits */
  close(reason?: string): void {
    this.#client?.close(reason);
    this.#client = null;
  }
}

/** The answer to a line with unbalanced quotes. */
export const INVALID_ARGUMENTS = "Invalid argument(s): quotes do not balance\n";

/**
 * Executes the lines of an input one after the other, and prints each reply. Ends at `quit`, `exit`
 * or the end of the input.
 *
 * @returns whether no reply was an error
 * @throws {UserError} when nobody answers, or the output is closed
 */
export async function runScript(
  input: AsyncIterable<Uint8Array>,
  connection: ClientConnection,
  output: ClientOutput,
  style: ReplyStyle,
): Promise<boolean> {
  let isFine = true;
  for await (const line of inputLines(input)) {
    const args = splitInline(line);
    if (args === null) {
      isFine = false;
      await output.write(INVALID_ARGUMENTS);
      continue;
    }
    if (args.length === 0) continue;
    if (isEnd(args)) break;
    const reply = await connection.request(args);
    if (reply instanceof ErrorReply) isFine = false;
    await writePieces(output, styledReply(reply, args, style));
  }
  return isFine;
}

/** Whether a line asks to leave the client. */
export function isEnd(args: readonly string[]): boolean {
  return args.length === 1 && /^(quit|exit)$/i.test(args[0] ?? "");
}
