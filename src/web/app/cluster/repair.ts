import { computed, ref, shallowRef } from "vue";
import type { RepairAnswer, RepairState } from "../api/cluster.ts";
import { getJson } from "../api/http.ts";
import { explain } from "../errors.ts";
import { cluster } from "./live.ts";

/** Copies, nodes and repair as the server saw them last; `null` before the first answer. */
export const repair = shallowRef<RepairState | null>(null);
export const repairError = ref("");
/** The largest number of missing copies since none were missing: what repair has to do in all. */
export const missingMax = ref(0);

export async function readRepair(): Promise<void> {
  try {
    const { status, layout, progress } = await getJson<RepairAnswer>("/repair");
    const state = { ...status, nodes: layout.nodes, progress };
    const left = state.missing + state.surplus;
    missingMax.value = left === 0 ? 0 : Math.max(missingMax.value, left);
    repair.value = state;
    repairError.value = "";
  } catch (error) {
    repairError.value = explain(error);
  }
}

/** Bytes a second that all nodes together copy. */
export const repairRate = computed(() =>
  repair.value?.progress.reduce(
    (sum, { pulls }) => sum + (pulls.left > 0 ? pulls.bytesPerSecond : 0),
    0,
  ) ?? 0
);

/** All nodes that are members or hold files, in the order of their ids. */
export const nodeIds = computed(() => {
  const members = cluster.value?.members.map(({ id }) => id) ?? [];
  const holders = repair.value?.nodes.map(({ id }) => id) ?? [];
  return [...new Set([...members, ...holders])].sort((one, other) =>
    one.localeCompare(other, "en", { numeric: true })
  );
});

/** The class that gives a node its colour. */
export function toneOf(id: string): string {
  return `node-${Math.max(0, nodeIds.value.indexOf(id)) % 8 + 1}`;
}

/** The nodes on the ring, with their weights there. */
export const ringNodes = computed(() => {
  const holders = repair.value?.nodes.filter(({ ringWeight }) => ringWeight > 0) ?? [];
  if (holders.length > 0) {
    return holders.map(({ id, ringWeight }) => ({
      id,
      weight: ringWeight,
    }));
  }
  return nodeIds.value.map((id) => ({ id, weight: 1 }));
});
