import { ref } from "vue";

export interface Toast {
  readonly id: number;
  readonly text: string;
  readonly kind: "info" | "error";
  readonly action: { readonly label: string; readonly run: () => void } | null;
}

/** Short notes at the edge of the page. */
export const toasts = ref<readonly Toast[]>([]);
let lastId = 0;

/** @param durationMs time until it goes by itself */
export function showToast(
  text: string,
  options: {
    kind?: Toast["kind"];
    action?: Toast["action"];
    durationMs?: number;
  } = {},
): number {
  const {
    kind = "info",
    action = null,
    durationMs = kind === "error" ? 10_000 : 6_000,
  } = options;
  const id = ++lastId;
  toasts.value = [...toasts.value, { id, text, kind, action }];
  setTimeout(() => closeToast(id), durationMs);
  return id;
}

export function closeToast(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}
