/**
 * What went wrong is the user's to mend: a wrong flag, a damaged file, a taken port. The command
 * line prints the message as one line, without a stack.
 */
export class UserError extends Error {
  override name = "UserError";
}

/** A port that cannot be had. @param error of the system, with its code */
export function cannotListen(
  { host, port }: { readonly host: string; readonly port: number },
  error: Error & { readonly code?: string },
): UserError {
  const reason = error.code === "EADDRINUSE" ? "the port is in use" : error.message;
  return new UserError(`Cannot listen on ${host}:${port}: ${reason}`, { cause: error });
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
