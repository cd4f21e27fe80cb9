import { type Address, formatAddress } from "./address.ts";

/**
 * An error that the user can fix: a wrong flag, a damaged file, a port in use. The command line
 * prints its message as one line, without a stack.
 */
export class UserError extends Error {
  override name = "UserError";
}

/**
 * The error for an address that cannot be listened on.
 *
 * @param error the operating system's error, with its code
 */
export function cannotListen(
  address: Address,
  error: Error & { readonly code?: string },
): UserError {
  const reason = error.code === "EADDRINUSE" ? "the port is in use" : error.message;
  return new UserError(`Cannot listen on ${formatAddress(address)}: ${reason}`, { cause: error });
}

/** The message of a thrown value. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A thrown value as an error. */
export function errorOf(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/**
 * States an invariant. It stays on in production: a process that has lost an invariant must stop
 * before it answers anyone.
 *
 * @throws {AssertionFailure} when the condition is false
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Ends a `switch` over a closed union. The compiler proves that no case is missing. */
export function assertNever(value: never): never {
  throw new AssertionFailure(`Unexpected value: ${JSON.stringify(value)}`);
}

/** A broken invariant: a bug in Regent, never a reaction to input. */
export class AssertionFailure extends Error {
  override name = "AssertionFailure";
}
