/**
 * What happens to the bytes that one node sends to another:
 * - `hold`: they are kept back and delivered when the fault ends, as TCP retransmits packets
 * - `swallow`: they are read and dropped; the connection is reset when the fault ends
 * - `refuse`: connections are reset, new ones too
 * - `delay`: they are delivered in order, with a delay
 */
export type LinkMode =
  | { readonly kind: "open" }
  | { readonly kind: "hold" }
  | { readonly kind: "swallow" }
  | { readonly kind: "refuse" }
  | { readonly kind: "delay"; readonly delayMs: number };

/** The links that a fault concerns. */
export type LinkMatch = (from: string, to: string) => boolean;

interface LinkFault {
  readonly matches: LinkMatch;
  readonly mode: LinkMode;
}

const OPEN: LinkMode = { kind: "open" };

/** The faults on the links between nodes. If several concern a link, the latest holds. */
export class LinkFaults {
  #faults: readonly LinkFault[] = [];
  #changed = Promise.withResolvers<void>();

  /** @returns a function that ends this fault */
  begin(matches: LinkMatch, mode: LinkMode): () => void {
    const fault = { matches, mode };
    this.#set([...this.#faults, fault]);
    return () => this.#set(this.#faults.filter((other) => other !== fault));
  }

  endAll(): void {
    this.#set([]);
  }

  modeOf(from: string, to: string): LinkMode {
    return this.#faults.findLast(({ matches }) => matches(from, to))?.mode ?? OPEN;
  }

  /** Resolves when a fault starts or ends. */
  get changed(): Promise<void> {
    return this.#changed.promise;
  }

  #set(faults: readonly LinkFault[]): void {
    this.#faults = faults;
    const changed = this.#changed;
    this.#changed = Promise.withResolvers();
    changed.resolve();
  }
}
