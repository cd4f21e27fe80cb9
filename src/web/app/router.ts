import { computed, ref } from "vue";

export type View = "library" | "cluster" | "keys";

/** The place in the page: `#/library/albums/…`. The server serves one document for all of them. */
const hash = ref(location.hash);

addEventListener("hashchange", () => hash.value = location.hash);

const parts = computed(() =>
  hash.value.replace(/^#\/?/, "").split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  })
);

export const view = computed<View>(() => {
  const [first] = parts.value;
  return first === "cluster" || first === "keys" ? first : "library";
});

/** What follows the view in the place. */
export const subplace = computed<readonly string[]>(() => parts.value.slice(1));

export function hrefOf(...place: readonly string[]): string {
  return `#/${place.map(encodeURIComponent).join("/")}`;
}

export function goTo(...place: readonly string[]): void {
  location.hash = hrefOf(...place);
}
