/**
 * Syncs directories, once for all that ask while a sync of the same directory is under way. A sync
 * covers only what was done before it began, so they share the one after it.
 */
export class SharedSync {
  readonly #sync: (directory: string) => Promise<void>;
  readonly #running = new Map<string, Promise<void>>();
  readonly #next = new Map<string, Promise<void>>();

  constructor(sync: (directory: string) => Promise<void>) {
    this.#sync = sync;
  }

  /** Resolves when all that was done in the directory before this call is durable. */
  sync(directory: string): Promise<void> {
    const running = this.#running.get(directory);
    if (running === undefined) return this.#begin(directory);
    const known = this.#next.get(directory);
    if (known !== undefined) return known;
    const after = () => {
      this.#next.delete(directory);
      return this.#begin(directory);
    };
    const next = running.then(after, after);
    this.#next.set(directory, next);
    return next;
  }

  #begin(directory: string): Promise<void> {
    const running = this.#sync(directory).finally(() => {
      if (this.#running.get(directory) === running) this.#running.delete(directory);
    });
    this.#running.set(directory, running);
    return running;
  }
}
