import type { Arguments } from "../base/byte_string.ts";
import type { Reply } from "../resp/reply.ts";
import type { Keyspace } from "../store/keyspace.ts";
import type { KeyName, KeyspaceView } from "../store/keyspace_view.ts";
import { integerAt } from "./arguments.ts";
import type { CommandContext } from "./command.ts";
import { CommandError, replyTooLarge } from "./command_error.ts";
import { keySlot, SLOTS } from "./key_slot.ts";
import { endingView, KEYS_PER_STEP, Slices } from "./slices.ts";

const INVALID_SLOT = new CommandError("ERR Invalid slot");
const INVALID_SLOT_OR_COUNT = new CommandError("ERR Invalid slot or number of keys");

/** A read that goes through all keys: at once, or in slices from a view of the keys as they are now. */
interface SlotRead {
  readonly run: (context: CommandContext, args: Arguments) => Reply;
  readonly begin: (context: CommandContext, args: Arguments) => Slices;
  readonly isLong: true;
}

/** `CLUSTER COUNTKEYSINSLOT slot` */
export const countKeysInSlot: SlotRead = slotRead(function* (_context, args, keys) {
  const slot = integerAt(args, 2);
  if (slot < 0 || slot >= SLOTS) throw INVALID_SLOT;
  let count = 0;
  for (const key of keys) {
    if (key === null) yield;
    else if (keySlot(key) === slot) count++;
  }
  return count;
});

/** `CLUSTER GETKEYSINSLOT slot count` */
export const getKeysInSlot: SlotRead = slotRead(function* ({ replyBytesMax }, args, keys) {
  const slot = integerAt(args, 2);
  const countMax = integerAt(args, 3);
  if (slot < 0 || slot >= SLOTS || countMax < 0) throw INVALID_SLOT_OR_COUNT;
  const found: string[] = [];
  let bytes = 0;
  if (countMax === 0) return found;
  for (const key of keys) {
    if (key === null) {
      yield;
    } else if (keySlot(key) === slot) {
      bytes += key.length;
      if (bytes > replyBytesMax) throw replyTooLarge(replyBytesMax);
      if (found.push(key) >= countMax) break;
    }
  }
  return found;
});

/** @param read gets the keys, and a null wherever others may be looked after */
function slotRead(
  read: (
    context: CommandContext,
    args: Arguments,
    keys: Iterable<string | null>,
  ) => Generator<void, Reply>,
): SlotRead {
  return {
    run: (context, args) =>
      new Slices(read(context, args, keysOf(context.keyspace, null))).finish(),
    begin: (context, args) => {
      const { keyspace } = context;
      const view = keyspace.beginKeyView();
      const steps = read(context, args, keysOf(keyspace, view));
      return view === null
        ? new Slices(steps)
        : new Slices(endingView(steps, keyspace, view), true);
    },
    isLong: true,
  };
}

/** @param view `null`: the keys do not change meanwhile */
function* keysOf(
  keyspace: Keyspace,
  view: KeyspaceView<KeyName> | null,
): Generator<string | null, void> {
  const size = view?.size ?? keyspace.storedSize;
  for (let position = 0; position < size; position++) {
    const key = view === null ? keyspace.keyAt(position) : view.read()?.key ?? null;
    if (key !== null) yield key;
    if (position % KEYS_PER_STEP === KEYS_PER_STEP - 1) yield null;
  }
}
