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
 * protocol. Passwords are left out, also those that do not belong within parentheses, as clients
 * write errors to their logs.
 */
export function quotedRule(rule: string): string {
  if (/^[<>]/.test(rule)) return `${rule.charAt(0)}***`;
  const shown = rule.startsWith("(") ? rule.replace(/([ (]["']?[<>])[^ )]*/g, "$1***") : rule;
  return shown.slice(0, QUOTED_MAX).replace(/[\r\n\0]/g, " ");
}
