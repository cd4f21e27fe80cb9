import type { PlainReply } from "./operation.ts";

/** The value of a key; `null` if it does not exist. */
export type State = string | null;

export interface Step {
  readonly state: State;
  readonly reply: PlainReply;
}

/** The effect of a command on a key in any state. */
export type Transition = (state: State) => Step;

const NOT_AN_INTEGER = "-ERR value is not an integer or out of range";
const INTEGER = /^(0|-?[1-9][0-9]{0,17})$/;

/**
 * The meaning of a request on one key, according to Redis's documentation of the command.
 *
 * @param args the request without its key
 * @throws {RangeError} for a command that the model does not have
 */
export function transitionOf(args: readonly string[]): Transition {
  const [name = "", value = "", ...options] = args;
  switch (name.toUpperCase()) {
    case "GET":
      return (state) => ({ state, reply: state });
    case "EXISTS":
      return (state) => ({ state, reply: state === null ? 0 : 1 });
    case "STRLEN":
      return (state) => ({ state, reply: state?.length ?? 0 });
    case "DEL":
      return (state) => ({ state: null, reply: state === null ? 0 : 1 });
    case "SET":
      return set(value, options.map((option) => option.toUpperCase()));
    case "SETNX":
      return (state) => state === null ? { state: value, reply: 1 } : { state, reply: 0 };
    case "GETSET":
      return (state) => ({ state: value, reply: state });
    case "GETDEL":
      return (state) => ({ state: null, reply: state });
    case "APPEND":
      return (state) => {
        const longer = (state ?? "") + value;
        return { state: longer, reply: longer.length };
      };
    case "INCR":
      return add(1n);
    case "DECR":
      return add(-1n);
    case "INCRBY":
      return add(BigInt(value));
    case "DECRBY":
      return add(-BigInt(value));
    default:
      throw new RangeError(`Cannot check command: current value is ${args.join(" ")}`);
  }
}

/** Whether a request leaves every state unchanged. */
export function isRead(args: readonly string[]): boolean {
  return ["GET", "EXISTS", "STRLEN"].includes(args[0]?.toUpperCase() ?? "");
}

/** Whether this reply shows that the request left the key unchanged. */
export function changedNothing(args: readonly string[], reply: PlainReply): boolean {
  if (isRead(args)) return true;
  switch (args[0]?.toUpperCase()) {
    case "DEL":
    case "SETNX":
      return reply === 0;
    case "SET":
      return reply === null && !args.some((arg, at) => at > 1 && arg.toUpperCase() === "GET");
    case "GETDEL":
      return reply === null;
    default:
      return reply === NOT_AN_INTEGER;
  }
}

/** Whether a request reads the value, or replaces any value by another. */
export function isReadOrOverwrite(args: readonly string[]): boolean {
  const name = args[0]?.toUpperCase();
  return name === "GET" || (name === "SET" && args.length === 2);
}

/** Whether a request can only leave a value unchanged, or append to it. */
export function onlyExtends(args: readonly string[]): boolean {
  return isRead(args) || args[0]?.toUpperCase() === "APPEND";
}

function set(value: string, options: readonly string[]): Transition {
  const unknown = options.find((option) => !["NX", "XX", "GET"].includes(option));
  if (unknown !== undefined) {
    throw new RangeError(`Cannot check option of SET: current value is ${unknown}`);
  }
  const onlyAbsent = options.includes("NX");
  const onlyPresent = options.includes("XX");
  const getsOld = options.includes("GET");
  return (state) => {
    const isSet = !(onlyAbsent && state !== null) && !(onlyPresent && state === null);
    const reply = getsOld ? state : isSet ? "OK" : null;
    return { state: isSet ? value : state, reply };
  };
}

function add(amount: bigint): Transition {
  return (state) => {
    if (state !== null && !INTEGER.test(state)) return { state, reply: NOT_AN_INTEGER };
    const sum = BigInt(state ?? "0") + amount;
    return { state: String(sum), reply: Number(sum) };
  };
}
