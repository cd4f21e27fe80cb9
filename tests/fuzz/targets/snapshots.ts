import { assert, assertEquals } from "@std/assert";
import { latin1, latin1Bytes } from "../../../src/base/bytes.ts";
import { randomInteger } from "../../../src/base/random.ts";
import { StateMachine } from "../../../src/commands/state_machine.ts";
import { SnapshotFormatError } from "../../../src/store/snapshot_items.ts";
import { StateLoader } from "../../../src/store/state_loader.ts";
import { RandomHistory } from "../../support/random_history.ts";
import type { FuzzTarget } from "../fuzz_target.ts";

const LINE_BREAK = "\0line break\0";

/** The chunks of a machine's state, a line for each; line breaks occur only in pieces. */
function textOf(machine: StateMachine): string {
  const snapshot = machine.beginSnapshot();
  const lines: string[] = [];
  for (let chunk = snapshot.next(2000); chunk !== null; chunk = snapshot.next(2000)) {
    lines.push(latin1(chunk, 0, chunk.length).replaceAll("\n", LINE_BREAK));
  }
  return lines.join("\n");
}

function load(text: string): StateMachine {
  const loader = new StateLoader();
  for (const line of text.split("\n")) loader.push(latin1Bytes(line.replaceAll(LINE_BREAK, "\n")));
  const machine = new StateMachine();
  machine.restore(loader, 1);
  return machine;
}

/**
 * The loader of snapshots, from files and from other nodes. What it accepts can be written again.
 */
export const snapshots: FuzzTarget = {
  name: "snapshots",
  words: [
    ...['["end"]', "\n\0piece\n", '["long",1]', '["key","a","b"],', '["reply",1,"_\\r\\n"],'],
    ...[
      '["session","1-1",1,1,0,0,0],',
      '["state",2,0,0,0,0,0]',
      '["files",1,1,1,1,1],',
      '["filenode","n1","h:1","1",1,1,0,0],',
      '["users",1,1],',
      '["user","default",1],',
      '["rules","on"],',
      '["__proto__"]',
      '{"__proto__":1}',
    ],
    ...["\\u0100", "\\ud800", '"9007199254740993"', "null", "[]", ",", "]\n["],
  ],
  sample(random) {
    const machine = new StateMachine();
    const history = new RandomHistory(random);
    for (let left = randomInteger(random, 60); left > 0; left--) history.step([machine]);
    return textOf(machine);
  },
  run(input) {
    let machine: StateMachine;
    try {
      machine = load(input);
    } catch (error) {
      assert(error instanceof SnapshotFormatError, `${error}`);
      assert(error.message.length < 400, "an error repeats too much of its input");
      return;
    }
    const text = textOf(machine);
    const again = load(text);
    assertEquals(textOf(again), text, "a snapshot changes when it is loaded and taken again");
    assertEquals(again.usedBytes, machine.usedBytes, "memory is counted wrong");
  },
};
