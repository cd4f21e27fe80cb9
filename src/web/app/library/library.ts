import { computed, reactive, ref, shallowRef, watch } from "vue";
import type { RepairAnswer } from "../api/cluster.ts";
import { deleteFile, type FileRecord, listFiles, type SortKey } from "../api/files.ts";
import { getJson } from "../api/http.ts";
import { ask } from "../dialogs.ts";
import { explain } from "../errors.ts";
import { t } from "../i18n/i18n.ts";
import { forgetSong } from "../player/player.ts";
import { albumsOf, artistsOf, songsIn } from "../player/songs.ts";
import { showToast } from "../toasts.ts";
import { arrivals } from "../uploads/uploads.ts";

const PAGE = 200;
/** Maximum number of files that the server gives at a time. */
const LIMIT_MAX = 1_000;
/** Songs are looked for among so many files: 20 requests. */
const SONG_PAGE = 1_000;
const SONG_PAGES_MAX = 20;
/** Interval in milliseconds at which others' changes are looked for, and the least between two reads. */
const LOOK_MS = 3_000;
const REFRESH_MS = 10_000;
/** Time in milliseconds in which a deletion can be undone. */
const UNDO_MS = 6_000;

export const search = ref("");

/** The table of files, as far as the reader has come. */
export const list = reactive({
  sort: "date" as SortKey,
  order: "desc" as "asc" | "desc",
  isLoading: false,
  isComplete: false,
  error: "",
});
const listed = shallowRef<readonly FileRecord[]>([]);
let cursor: string | null = null;
let listing = new AbortController();

/** All songs, or those among the first 20,000 files. */
export const music = reactive({ isLoaded: false, isCut: false, error: "" });
const audioFiles = shallowRef<readonly FileRecord[]>([]);
let collecting = new AbortController();

/** Files that will be deleted unless the reader undoes it, by name. */
const doomed = reactive(new Map<string, { file: FileRecord; timer: number }>());

export const files = computed(() => listed.value.filter(({ name }) => !doomed.has(name)));
const allSongs = computed(() => songsIn(audioFiles.value.filter(({ name }) => !doomed.has(name))));
export const songs = computed(() => {
  const words = search.value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return allSongs.value;
  return allSongs.value.filter(({ title, artist, album, name }) => {
    const text = `${title} ${artist} ${album} ${name}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
});
export const albums = computed(() => albumsOf(songs.value));
export const artists = computed(() => artistsOf(songs.value, albums.value));

/** The record of a song's file. */
export function fileOf(name: string): FileRecord | null {
  return audioFiles.value.find((file) => file.name === name) ??
    listed.value.find((file) => file.name === name) ?? null;
}

export function sortBy(key: SortKey): void {
  list.order = list.sort === key && list.order === "asc" ? "desc" : "asc";
  list.sort = key;
  void reload();
}

/**
 * Reads the table of files from its beginning. What is shown stays until the answer comes.
 *
 * @param count number of files to read: as many as are shown, so that nothing moves
 */
export async function reload(count: number = PAGE): Promise<void> {
  listing.abort();
  listing = new AbortController();
  cursor = null;
  list.isComplete = false;
  list.isLoading = false;
  await readPage(true, Math.min(LIMIT_MAX, Math.max(PAGE, count)));
}

export async function readMore(): Promise<void> {
  if (!list.isLoading && !list.isComplete) await readPage(false);
}

async function readPage(isFirst: boolean, limit: number = PAGE): Promise<void> {
  const { signal } = listing;
  list.isLoading = true;
  try {
    let found: readonly FileRecord[] = [];
    do { // with a filter a page may be empty although more follow
      const { sort, order } = list;
      const page = await listFiles({
        q: search.value,
        cursor,
        limit,
        sort,
        order,
      }, signal);
      found = [...found, ...page.files];
      cursor = page.cursor;
    } while (cursor !== null && found.length === 0);
    listed.value = isFirst ? found : [...listed.value, ...found];
    list.isComplete = cursor === null;
    list.error = "";
  } catch (error) {
    if (signal.aborted) return;
    list.error = explain(error);
  } finally {
    if (!signal.aborted) list.isLoading = false;
  }
}

/** Reads the songs anew. What is shown stays until all are there. */
export async function collectSongs(): Promise<void> {
  collecting.abort();
  collecting = new AbortController();
  const { signal } = collecting;
  try {
    const found: FileRecord[] = [];
    let from: string | null = null;
    for (
      let pages = 0;
      pages < SONG_PAGES_MAX && (pages === 0 || from !== null);
      pages++
    ) {
      const page = await listFiles({
        cursor: from,
        limit: SONG_PAGE,
        sort: "name",
      }, signal);
      found.push(...page.files);
      from = page.cursor;
      if (!music.isLoaded) audioFiles.value = [...found];
    }
    audioFiles.value = found;
    Object.assign(music, { isLoaded: true, isCut: from !== null, error: "" });
  } catch (error) {
    if (!signal.aborted) {
      Object.assign(music, { isLoaded: true, error: explain(error) });
    }
  }
}

export function refresh(): void {
  void reload(listed.value.length);
  void collectSongs();
}

/** Reads everything again when others have changed something, until the returned function is called. */
export function followChanges(): () => void {
  let version: number | null = null;
  let refreshedMs = performance.now();
  const timer = setInterval(async () => {
    if (document.visibilityState !== "visible") return;
    try {
      const { layout } = await getJson<RepairAnswer>("/repair");
      const isStale = version !== null && layout.version !== version;
      if (isStale && performance.now() - refreshedMs < REFRESH_MS) return;
      version = layout.version;
      if (!isStale) return;
      refreshedMs = performance.now();
      refresh();
    } catch {
      // the next look will tell
    }
  }, LOOK_MS);
  return () => clearInterval(timer);
}

/** Asks, takes a file out of the lists, and deletes it unless the reader undoes that in time. */
export async function removeFile(file: FileRecord): Promise<void> {
  const { name } = file;
  const isSure = await ask({
    title: t("delete.title"),
    text: t("delete.text", { name }),
    confirm: t("delete.confirm"),
    isDangerous: true,
  });
  if (!isSure) return;
  const timer = setTimeout(() => void deleteNow(name), UNDO_MS);
  doomed.set(name, { file, timer });
  forgetSong(name);
  showToast(t("delete.done", { name }), {
    durationMs: UNDO_MS,
    action: {
      label: t("delete.undo"),
      run: () => {
        clearTimeout(timer);
        doomed.delete(name);
      },
    },
  });
}

async function deleteNow(name: string): Promise<void> {
  const file = doomed.get(name)?.file;
  if (file === undefined) return;
  try {
    await deleteFile(file);
    listed.value = listed.value.filter((one) => one.name !== name);
    audioFiles.value = audioFiles.value.filter((one) => one.name !== name);
  } catch (error) {
    showToast(t("delete.failed", { name, reason: explain(error) }), {
      kind: "error",
    });
  }
  doomed.delete(name);
}

addEventListener("pagehide", () => {
  for (const [name, { timer }] of doomed) {
    clearTimeout(timer);
    void deleteNow(name);
  }
});

let searchTimer = 0;
watch(search, () => {
  clearTimeout(searchTimer);
  searchTimer = setTimeout(() => void reload(), 200);
});

let arrivalTimer = 0;
watch(arrivals, () => {
  arrivalTimer ||= setTimeout(() => {
    arrivalTimer = 0;
    refresh();
  }, 300);
});
