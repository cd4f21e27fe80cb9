export type Repeat = "off" | "all" | "song";

/** The order of playing, without sound: what is next, what was before. Positions count from 0. */
export interface Queue<Item> {
  readonly items: readonly Item[];
  /** The order in which the items are played, as indexes of `items`. */
  readonly order: readonly number[];
  /** Where in `order` the player is; -1 if there is nothing to play. */
  readonly at: number;
  readonly isShuffled: boolean;
  readonly repeat: Repeat;
}

export function emptyQueue<Item>(): Queue<Item> {
  return { items: [], order: [], at: -1, isShuffled: false, repeat: "off" };
}

export function currentOf<Item>(
  { items, order, at }: Queue<Item>,
): Item | null {
  return items[order[at] ?? -1] ?? null;
}

/** Puts items in place of all, beginning with the one at `start`. */
export function replaced<Item>(
  queue: Queue<Item>,
  items: readonly Item[],
  start: number,
  random: () => number = Math.random,
): Queue<Item> {
  const straight = items.map((_, at) => at);
  if (!queue.isShuffled) return { ...queue, items, order: straight, at: start };
  const rest = shuffled(straight.filter((at) => at !== start), random);
  return { ...queue, items, order: [start, ...rest], at: 0 };
}

/** Adds an item at the end, or as the next one. */
export function added<Item>(
  queue: Queue<Item>,
  item: Item,
  isNext: boolean,
): Queue<Item> {
  const { items, order, at } = queue;
  const where = isNext ? at + 1 : order.length;
  return {
    ...queue,
    items: [...items, item],
    order: order.toSpliced(where, 0, items.length),
    at: at < 0 ? 0 : at,
  };
}

/** Takes away what is played at a place in the order. The one after it takes its place. */
export function removed<Item>(queue: Queue<Item>, place: number): Queue<Item> {
  const index = queue.order[place];
  if (index === undefined) return queue;
  const order = queue.order.toSpliced(place, 1).map((at) => at > index ? at - 1 : at);
  const at = place < queue.at ? queue.at - 1 : Math.min(queue.at, order.length - 1);
  return { ...queue, items: queue.items.toSpliced(index, 1), order, at };
}

/** Mixes what is not the current one, or brings all back into their first order. */
export function withShuffle<Item>(
  queue: Queue<Item>,
  isShuffled: boolean,
  random: () => number = Math.random,
): Queue<Item> {
  const index = queue.order[queue.at];
  const straight = queue.items.map((_, at) => at);
  if (index === undefined) return { ...queue, isShuffled };
  if (!isShuffled) return { ...queue, isShuffled, order: straight, at: index };
  const rest = shuffled(straight.filter((at) => at !== index), random);
  return { ...queue, isShuffled, order: [index, ...rest], at: 0 };
}

/**
 * The place after the current one.
 *
 * @param isByItself whether the song has ended, rather than somebody asked for the next
 * @returns `null` if there is none
 */
export function nextPlace<Item>(
  queue: Queue<Item>,
  isByItself: boolean,
): number | null {
  const { order, at, repeat } = queue;
  if (order.length === 0) return null;
  if (isByItself && repeat === "song") return at;
  if (at + 1 < order.length) return at + 1;
  return repeat === "off" ? null : 0;
}

/** The place before the current one; `null` if there is none. */
export function previousPlace<Item>(
  { order, at, repeat }: Queue<Item>,
): number | null {
  if (at > 0) return at - 1;
  return repeat === "all" && order.length > 0 ? order.length - 1 : null;
}

function shuffled(list: readonly number[], random: () => number): number[] {
  const mixed = [...list];
  for (let last = mixed.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [mixed[last], mixed[other]] = [mixed[other]!, mixed[last]!];
  }
  return mixed;
}
