import { assert, assertEquals } from "@std/assert";
import { StateMachine } from "../../src/commands/state_machine.ts";
import { checkRequest } from "../../src/commands/table.ts";
import { encodeReply } from "../../src/resp/encode.ts";
import { replyOf } from "./reply_of.ts";

/** The log's time in transcripts: milliseconds of the Unix epoch. */
const TRANSCRIPT_TIME_MS = 1_700_000_000_000;

/**
 * Executes the requests of a transcript on a new state machine and compares the replies. A line has
 * a request, with spaces between its arguments, then `→` and its reply in RESP2, with a space for
 * each CR LF. Empty lines are ignored.
 */
export function assertTranscript(transcript: string): void {
  const machine = new StateMachine();
  machine.advanceTime(TRANSCRIPT_TIME_MS);
  for (const line of transcript.split("\n").map((line) => line.trim()).filter(Boolean)) {
    const [request, expected] = line.split(" → ");
    assert(request !== undefined && expected !== undefined, `Cannot read the line: ${line}`);
    const args = request.split(" ");
    const reply = replyOf(() =>
      machine.execute(checkRequest(args), args, TRANSCRIPT_TIME_MS, () => 0)
    );
    assertEquals(encodeReply(reply, 2).trimEnd().replaceAll("\r\n", " "), expected, request);
  }
}
