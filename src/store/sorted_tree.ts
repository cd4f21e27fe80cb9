import sortedBtree from "sorted-btree";

/**
 * A map in the order of its keys. `clone` takes constant time: both trees share their nodes, and a
 * node is copied when one of them changes it. So a clone is a view that later changes do not reach,
 * as long as the values themselves never change.
 */
export type SortedTree<K, V> = InstanceType<typeof sortedBtree.default<K, V>>;

/** @param compare negative if the first key comes first, 0 if both are equal */
export function sortedTree<K, V>(compare: (one: K, other: K) => number): SortedTree<K, V> {
  return new sortedBtree.default<K, V>(undefined, compare);
}

/** The order of byte strings. */
export function compareBytes(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}
