import type { Command, KeyPositions } from "./command.ts";

/** `GET key` */
export const FIRST_KEY: KeyPositions = { first: 1, last: 1, step: 1 };
/** `RENAME key key` */
export const FIRST_TWO_KEYS: KeyPositions = { first: 1, last: 2, step: 1 };
/** `DEL key key …` */
export const ALL_KEYS: KeyPositions = { first: 1, last: -1, step: 1 };
/** `MSET key value key value …` */
export const ALL_PAIRS: KeyPositions = { first: 1, last: -1, step: 2 };

/** A row without what all rows of its group have in common. */
export type Row = Omit<Command, "group" | "categories"> & Partial<Pick<Command, "categories">>;

/** Completes the rows of a group; a row's own categories count instead of the group's. */
export function rowsOf(
  group: string,
  categories: readonly string[],
  rows: readonly Row[],
): readonly Command[] {
  return rows.map((row) => ({ categories, ...row, group }));
}
