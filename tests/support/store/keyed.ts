import type { KeyOwner } from "../../../src/store/key_table.ts";

/** An item that knows its own key. */
export interface Keyed {
  readonly key: string;
}

export const OWN_KEYS: KeyOwner<Keyed> = { hasKey: (item, key) => item.key === key };
