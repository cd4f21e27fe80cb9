import { Problem } from "./problem.ts";

/** Names under which a browser reaches loopback, and no other site can. */
const LOOPBACK_HOST = /^(localhost|127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}|\[::1\])(:\d{1,5})?$/i;

/**
 * Refuses requests that another web site makes a browser send.
 *
 * @param isLoopback whether the port is open to this machine only. Then the `Host` must be a name of
 *   loopback: a site whose own name was made to lead here (DNS rebinding) has another one.
 * @throws {Problem}
 */
export function checkSender(request: Request, isLoopback: boolean): void {
  const host = request.headers.get("host") ?? "";
  if (isLoopback && !LOOPBACK_HOST.test(host)) {
    throw new Problem(
      "foreign-host",
      "This port serves this machine only: name it localhost, or by a loopback address.",
    );
  }
  const origin = request.headers.get("origin");
  if (origin !== null && hostOf(origin) !== host.toLowerCase()) {
    throw new Problem("foreign-origin", "Pages of other sites may not use this port.");
  }
}

/** `null` for an origin that is not a URL, such as `null`. */
function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}
