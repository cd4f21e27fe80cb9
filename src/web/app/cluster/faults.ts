import { shallowRef } from "vue";
import { getJson, request } from "../api/http.ts";
import { explain } from "../errors.ts";
import { t } from "../i18n/i18n.ts";
import { showToast } from "../toasts.ts";

/** Duration in milliseconds of the faults that the page begins. */
export const FAULT_MS = 5_000;

/** The members that may be made to fail. */
export const fallible = shallowRef<ReadonlySet<string>>(new Set());

export async function findFallible(): Promise<void> {
  try {
    const { members } = await getJson<{ members: readonly string[] }>("/faults");
    // A member that does not answer now is not forgotten: it may be the one that fails on purpose.
    fallible.value = new Set([...fallible.value, ...members]);
  } catch {
    // an older server, or one out of reach: there are no buttons
  }
}

export async function beginFault(
  member: string,
  fault: "pause" | "isolate" | "heal",
): Promise<void> {
  try {
    const query = new URLSearchParams({ fault, "duration-ms": `${FAULT_MS}` });
    await request(`/faults/${encodeURIComponent(member)}?${query}`, { method: "POST" });
    const seconds = FAULT_MS / 1_000;
    showToast(t(`fault.${fault}Done`, { id: member, seconds }));
  } catch (error) {
    showToast(explain(error), { kind: "error" });
  }
}
