import type { AccessServer } from "../../src/commands/local.ts";
import { ErrorReply } from "../../src/resp/reply.ts";

/** The users of a new cluster, for tests of local commands: `default`, for whom any password is right. */
export function openAccess(): AccessServer {
  const refusal = new ErrorReply("WRONGPASS invalid username-password pair or user is disabled.");
  return {
    isDefaultOpen: true,
    log: { reply: () => [], clear() {} },
    isLoggedIn: () => true,
    logIn: (_client, { name }, _via, done) => done(name === "default" ? null : refusal),
    logOut() {},
    hasUser: (name) => name === "default",
    randomHex: (digits) => "0".repeat(digits),
    challenge: () => new ErrorReply("ERR This process has no cluster secret"),
    prove: () => new ErrorReply("ERR This process has no cluster secret"),
  };
}
