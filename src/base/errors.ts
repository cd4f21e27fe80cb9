import { type Address, formatAddress } from "./address.ts";

/**
 * What went wrong is the user's to mend: a wrong flag, a damaged file, a taken port. The command
 * line prints the message as one line, without a stack.
 */
export class UserError extends Error {
  override name = "UserError";
}

/** A port that cannot be had. @param error of the system, with its code */
export function cannotListen(
  address: Address,
  error: Error & { readonly code?: string },
): UserError {
  const reason = error.code === "EADDRINUSE" ? "the port is in use" : error.message;
  return new UserError(`Cannot listen on ${formatAddress(address)}: ${reason}`, { cause: error });
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * States what must hold. Stays on in production: a process that has lost an invariant must stop
 * before it answers anyone.
 *
 * @throws {AssertionFailure} when the condition is false
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Ends a `switch` over a closed union: the compiler proves that no case is left. */
export function assertNever(value: never): never {
  throw new AssertionFailure(`Unexpected value: ${JSON.stringify(value)}`);
}

/** An invariant of the program is broken: a bug in Regent, never an answer to input. */
export class AssertionFailure extends Error {
  override name = "AssertionFailure";
}
