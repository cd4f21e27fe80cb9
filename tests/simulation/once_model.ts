const REFUSAL = /^-(NOSESSION|STALE|ERR) /;

/** Computes from the entries and their answers alone which writes under ONCE have been executed. */
export class OnceModel {
  /** The write and its first answer for each serial of a session. */
  readonly #answers: Map<string, { readonly write: string; readonly reply: string }>;

  constructor(answers: ReadonlyMap<string, { write: string; reply: string }> = new Map()) {
    this.#answers = new Map(answers);
  }

  copy(): OnceModel {
    return new OnceModel(this.#answers);
  }

  /**
   * Checks the answer to a write.
   *
   * @returns the command that was executed, `null` if it was executed before, or what is wrong
   */
  answered(
    args: readonly string[],
    reply: string,
  ): { readonly executed: readonly string[] | null } | { readonly wrong: string } {
    if (args[0] !== "ONCE") return { executed: args };
    const [, session = "", serials = "", ...inner] = args;
    const place = `${session} ${serials.split("/")[0]}`;
    const write = inner.join(" ");
    const known = this.#answers.get(place);
    if (/^-(NOSESSION|STALE) /.test(reply)) return { executed: null };
    if (known === undefined) {
      this.#answers.set(place, { write, reply });
      return { executed: REFUSAL.test(reply) ? null : inner };
    }
    if (known.write !== write) {
      return { wrong: `${place} stands for ${known.write} and for ${write}` };
    }
    if (known.reply === reply) return { executed: null };
    return { wrong: `${args.join(" ")} is answered ${reply}, and was answered ${known.reply}` };
  }
}
