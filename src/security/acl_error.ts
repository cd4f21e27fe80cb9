/**
 * A refusal by access control, with the text of the error reply. Like `CommandError` it does not
 * extend `Error`: a client may be refused at full rate.
 */
export class AclError {
  /** @param text starts with the code, such as `ERR`, and has no line breaks */
  constructor(readonly text: string) {}
}

/** Maximum number of characters of a rule that an error repeats. */
const QUOTED_MAX = 128;

/**
 * A rule as an error may repeat it: its beginning, without line breaks, which would break the
 * protocol. Of a password only the first character is shown, as clients write errors to their logs.
 */
export function quotedRule(rule: string): string {
  if (/^[<>]/.test(rule)) return `${rule.charAt(0)}***`;
  return rule.slice(0, QUOTED_MAX).replace(/[\r\n\0]/g, " ");
}
