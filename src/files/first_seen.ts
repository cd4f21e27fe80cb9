/** Since when something is as it is, for grace times. What is not seen again is forgotten. */
export class FirstSeen {
  #before = new Map<string, number>();
  #now = new Map<string, number>();

  /** Notes that it is so now. @returns since when, in the caller's milliseconds */
  note(key: string, nowMs: number): number {
    const sinceMs = this.#now.get(key) ?? this.#before.get(key) ?? nowMs;
    this.#now.set(key, sinceMs);
    return sinceMs;
  }

  /** Ends a look at everything: what was not noted since the last one is forgotten. */
  endRound(): void {
    this.#before = this.#now;
    this.#now = new Map();
  }
}
