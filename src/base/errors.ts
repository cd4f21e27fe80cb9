/**
 * What went wrong is the user's to mend: a wrong flag, a damaged file, a taken port. The command
 * line prints the message as one line, without a stack.
 */
export class UserError extends Error {
  override name = "UserError";
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
