import { splitInline } from "../../resp/inline.ts";
import { ErrorReply } from "../../resp/reply.ts";
import type { ClientConnection } from "./client_connection.ts";
import { type ClientOutput, writePieces } from "./client_output.ts";
import { inputLines } from "./input_lines.ts";
import { type ReplyStyle, styledReply } from "./styled_reply.ts";

/** What a line with quotes that do not balance is answered. */
export const INVALID_ARGUMENTS = "Invalid argument(s): quotes do not balance\n";

/**
 * Executes the lines of an input one after the other, and prints each reply. `quit` or `exit` ends.
 *
 * @returns whether none of them was answered by an error
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

/** Whether a line asks to end the client. */
export function isEnd(args: readonly string[]): boolean {
  return args.length === 1 && /^(quit|exit)$/i.test(args[0] ?? "");
}
