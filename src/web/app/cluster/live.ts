import { computed, ref, shallowRef } from "vue";
import type { ClusterState } from "../api/cluster.ts";
import { type ClusterNews, newsBetween } from "./news.ts";

const NEWS_MAX = 100;
const REOPEN_MS = 2_000;

/** The cluster as the server saw it last; `null` before the first look. */
export const cluster = shallowRef<ClusterState | null>(null);
/** What keeps the server from seeing the cluster: its sentence, or empty. */
export const problem = ref("");
/** Whether this page hears from its server. */
export const isConnected = ref(true);
/** What has happened since the page was opened, the newest first. */
export const news = shallowRef<readonly ClusterNews[]>([]);

export const leader = computed(() => {
  const leaders = cluster.value?.members.filter(({ role, isAlive }) =>
    role === "leader" && isAlive
  );
  return leaders?.reduce(
    (one, other) => one.term >= other.term ? one : other,
    leaders[0]!,
  ) ?? null;
});
export const term = computed(() =>
  Math.max(0, ...(cluster.value?.members.map(({ term }) => term) ?? []))
);

let source: EventSource | null = null;
let timer = 0;

function open(): void {
  clearTimeout(timer);
  source?.close();
  source = new EventSource("/events");
  source.addEventListener("cluster", ({ data }: MessageEvent<string>) => {
    const state = JSON.parse(data) as ClusterState;
    const fresh = newsBetween(cluster.value, state, Date.now());
    if (fresh.length > 0) {
      news.value = [...fresh, ...news.value].slice(0, NEWS_MAX);
    }
    cluster.value = state;
    problem.value = "";
    isConnected.value = true;
  });
  source.addEventListener("problem", ({ data }: MessageEvent<string>) => {
    problem.value = String(JSON.parse(data).detail ?? "");
    isConnected.value = true;
  });
  // After some errors a browser tries again by itself, after others it never does.
  source.onerror = () => {
    isConnected.value = false;
    source?.close();
    clearTimeout(timer);
    timer = setTimeout(open, REOPEN_MS);
  };
}

/** A page that nobody sees holds no connection: a browser opens only six to one server. */
function openIfVisible(): void {
  if (document.visibilityState === "visible") return open();
  clearTimeout(timer);
  source?.close();
}

document.addEventListener("visibilitychange", openIfVisible);
openIfVisible();
