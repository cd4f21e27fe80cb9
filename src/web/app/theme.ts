import { ref, watchEffect } from "vue";
import { keep, kept } from "./storage.ts";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

/** The colours chosen. A change is seen at once, and is kept. */
export const theme = ref<Theme>(kept<Theme>("theme") ?? "system");

watchEffect(() => {
  const { dataset } = document.documentElement;
  if (theme.value === "system") delete dataset["theme"];
  else dataset["theme"] = theme.value;
});

export function chooseTheme(chosen: Theme): void {
  theme.value = chosen;
  keep("theme", chosen);
}
