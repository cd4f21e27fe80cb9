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
