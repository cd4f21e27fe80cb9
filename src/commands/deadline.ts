import { ErrorReply } from "../resp/reply.ts";
import type { DeadlineMs } from "../store/expiry_heap.ts";
import { NOT_AN_INTEGER } from "./arguments.ts";
import { addIntegers, type Integer, multiplyIntegers, parseInteger } from "./integer.ts";

/** How a deadline is given: in seconds or milliseconds, from now (`EX`, `PX`) or absolute. */
export type DeadlineUnit = "EX" | "PX" | "EXAT" | "PXAT";

/** The deadline for an amount of time, or `null` when it does not fit into 64 bits. */
export function deadlineOf(amount: Integer, unit: DeadlineUnit, nowMs: number): Integer | null {
  const inSeconds = unit === "EX" || unit === "EXAT";
  const amountMs = inSeconds ? multiplyIntegers(amount, 1000) : amount;
  if (amountMs === null || unit === "EXAT" || unit === "PXAT") return amountMs;
  return addIntegers(amountMs, nowMs);
}

/** Reads the deadline of `SET`, `GETEX` and the like, which must be positive. */
export function readDeadline(
  amount: string,
  unit: DeadlineUnit,
  nowMs: number,
  commandName: string,
): DeadlineMs | ErrorReply {
  const value = parseInteger(amount);
  if (value === null) return NOT_AN_INTEGER;
  if (value <= 0) return invalidExpireTime(commandName);
  return deadlineOf(value, unit, nowMs) ?? invalidExpireTime(commandName);
}

export function invalidExpireTime(commandName: string): ErrorReply {
  return new ErrorReply(`ERR invalid expire time in '${commandName}' command`);
}
