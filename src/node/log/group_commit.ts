/** Makes all earlier writes durable and says so, or why not. */
export type Sync = (done: (error: Error | null) => void) => void;

/**
 * Lets one sync cover everything that waits: what arrives while one is under way waits for the
 * next. The first failure is the last: the kernel may have dropped what it could not write, so a
 * second try that succeeds would prove nothing.
 */
export class GroupCommit {
  readonly #sync: Sync;
  readonly #onFailure: (error: Error) => void;
  #waiting: (() => void)[] = [];
  /** Durable, and not called yet. */
  readonly #durable: (() => void)[] = [];
  #isSyncing = false;
  #isDraining = false;
  #isStopped = false;

  constructor(sync: Sync, onFailure: (error: Error) => void) {
    this.#sync = sync;
    this.#onFailure = onFailure;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Calls `done` once everything written before this call is durable; in the order of the calls. */
  add(done: () => void): void {
    if (this.#isStopped) return;
    this.#waiting.push(done);
    if (!this.#isSyncing) this.#start();
  }

  /** No `done` is called any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Stops and reports, unless stopped already. */
  fail(error: Error): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#onFailure(error);
  }

  #start(): void {
    const covered = this.#waiting;
    this.#waiting = [];
    this.#isSyncing = true;
    this.#sync((error) => {
      this.#isSyncing = false;
      if (error !== null) return this.fail(error);
      if (this.#isStopped) return;
      this.#durable.push(...covered);
      // The next sync starts first: the disk works while the callers go on.
      if (this.#waiting.length > 0) this.#start();
      this.#drain();
    });
  }

  /** One loop only, even if syncs complete at once: a `done` may well append again. */
  #drain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    try {
      for (let next = 0; next < this.#durable.length && !this.#isStopped; next++) {
        this.#durable[next]?.();
      }
      this.#durable.length = 0;
    } finally {
      this.#isDraining = false;
    }
  }
}
