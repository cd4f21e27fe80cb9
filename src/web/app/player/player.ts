import { computed, reactive, watch } from "vue";
import { t } from "../i18n/i18n.ts";
import { keep, kept } from "../storage.ts";
import { showToast } from "../toasts.ts";
import { NextSong } from "./next_song.ts";
import * as queues from "./queue.ts";
import type { Song } from "./songs.ts";

/** Time in milliseconds without sound after which the song is loaded again. */
const SILENT_MS_MAX = 5_000;
const RETRY_MS = [250, 500, 1_000, 2_000, 4_000, 8_000];
/** Time in seconds from which `previous` begins the song again. */
const RESTART_AFTER_S = 3;

interface Kept {
  readonly queue: queues.Queue<Song>;
  readonly position: number;
  readonly volume: number;
}

/** What the player does. It survives the visit, but a new visit begins in silence. */
export const player = reactive({
  queue: queues.emptyQueue<Song>() as queues.Queue<Song>,
  /** Whether the listener wants to hear it: also while it waits for the server. */
  isPlaying: false,
  /** Whether it waits for data. */
  isWaiting: false,
  /** In seconds, as is `duration`. */
  position: 0,
  duration: 0,
  /** From 0 to 1. */
  volume: 1,
});

export const currentSong = computed(() => queues.currentOf(player.queue));

const audio = new Audio();
const next = new NextSong();
let retries = 0;
let retryTimer = 0;
let isRecovering = false;
/** Counts loads, so that a recovery of another song ends. */
let recovery = 0;
/** The last time at which the position has moved, or a load has begun. */
let movedMs = 0;
let ownUrl: string | null = null;
/** Where to begin once the song has loaded, in seconds. */
let startAt = 0;

export function playSongs(songs: readonly Song[], start = 0): void {
  player.queue = queues.replaced(player.queue, songs, start);
  begin();
}

/** Plays all in an order of chance. */
export function shuffleSongs(songs: readonly Song[]): void {
  const queue = { ...player.queue, isShuffled: true };
  player.queue = queues.replaced(
    queue,
    songs,
    Math.floor(Math.random() * songs.length),
  );
  begin();
}

export function enqueue(song: Song, isNext = false): void {
  const wasEmpty = player.queue.order.length === 0;
  player.queue = queues.added(player.queue, song, isNext);
  if (wasEmpty) load(0);
  showToast(t("player.queued", { title: song.title }));
}

export function playPlace(place: number): void {
  player.queue = { ...player.queue, at: place };
  begin();
}

export function removePlace(place: number): void {
  const wasCurrent = place === player.queue.at;
  player.queue = queues.removed(player.queue, place);
  if (!wasCurrent) return;
  if (currentSong.value === null) stop();
  else if (player.isPlaying) begin();
  else load(0);
}

export function clearQueue(): void {
  const { isShuffled, repeat } = player.queue;
  player.queue = { ...queues.emptyQueue<Song>(), isShuffled, repeat };
  stop();
}

/** Takes a deleted file out of the queue. */
export function forgetSong(name: string): void {
  for (let place = player.queue.order.length - 1; place >= 0; place--) {
    if (player.queue.items[player.queue.order[place] ?? -1]?.name === name) {
      removePlace(place);
    }
  }
}

export function toggle(): void {
  if (currentSong.value === null) return;
  player.isPlaying = !player.isPlaying;
  if (player.isPlaying) resume();
  else audio.pause();
}

export function skip(): void {
  const place = queues.nextPlace(player.queue, false);
  if (place !== null) playPlace(place);
}

export function back(): void {
  const place = queues.previousPlace(player.queue);
  if (player.position > RESTART_AFTER_S || place === null) seek(0);
  else playPlace(place);
}

/** @param seconds from the beginning */
export function seek(seconds: number): void {
  const end = player.duration || Infinity;
  player.position = Math.min(Math.max(0, seconds), end);
  movedMs = performance.now();
  if (audio.readyState === 0) startAt = player.position;
  else audio.currentTime = player.position;
}

export function setShuffle(isShuffled: boolean): void {
  player.queue = queues.withShuffle(player.queue, isShuffled);
}

export function cycleRepeat(): void {
  const order = ["off", "all", "song"] as const;
  const repeat = order[(order.indexOf(player.queue.repeat) + 1) % order.length]!;
  player.queue = { ...player.queue, repeat };
}

function begin(): void {
  player.isPlaying = true;
  load(0);
  resume();
}

function stop(): void {
  clearTimeout(retryTimer);
  recovery++;
  isRecovering = false;
  player.isPlaying = false;
  next.drop();
  setSource(null);
  Object.assign(player, { position: 0, duration: 0, isWaiting: false });
}

/** Loads the current song, from memory if it is there. @param seconds where to begin */
function load(seconds: number): void {
  const song = currentSong.value;
  if (song === null) return;
  clearTimeout(retryTimer);
  recovery++;
  isRecovering = false;
  retries = 0;
  player.position = seconds;
  player.duration = song.duration;
  startAt = seconds;
  setSource(song);
}

function setSource(song: Song | null): void {
  if (ownUrl !== null) URL.revokeObjectURL(ownUrl);
  ownUrl = song === null ? null : next.take(song);
  movedMs = performance.now();
  if (song === null) audio.removeAttribute("src");
  else audio.src = ownUrl ?? song.href;
  audio.load();
}

function resume(): void {
  movedMs = performance.now();
  audio.play().catch((error: DOMException) => {
    // A browser may forbid sound before the listener has touched the page.
    if (error.name === "NotAllowedError") player.isPlaying = false;
  });
}

/** Loads the song again and goes on from the same position: another node may have it. */
async function recover(): Promise<void> {
  const song = currentSong.value;
  if (song === null || isRecovering) return;
  isRecovering = true;
  player.isWaiting = true;
  const own = recovery;
  if (retries > 0 && await isUnplayable(song)) {
    if (own === recovery) giveUp(song);
    return;
  }
  if (own !== recovery) return;
  const waitMs = RETRY_MS[Math.min(retries, RETRY_MS.length - 1)];
  retries++;
  retryTimer = setTimeout(() => {
    isRecovering = false;
    startAt = player.position;
    setSource(song);
    if (player.isPlaying) resume();
  }, waitMs);
}

/** Whether the server serves the song well, so that the fault is the song's. */
async function isUnplayable({ href }: Song): Promise<boolean> {
  try {
    const { status } = await fetch(href, { method: "HEAD" });
    return status === 404 ||
      (status === 200 && audio.error?.code !== MediaError.MEDIA_ERR_NETWORK);
  } catch {
    return false;
  }
}

function giveUp({ title }: Song): void {
  showToast(t("player.unplayable", { title }), { kind: "error" });
  player.isWaiting = false;
  const place = queues.nextPlace(player.queue, false);
  if (place !== null && place > player.queue.at) playPlace(place);
  else stop();
}

audio.preload = "auto";
audio.addEventListener("loadedmetadata", () => {
  if (Number.isFinite(audio.duration)) player.duration = audio.duration;
  if (startAt > 0) audio.currentTime = startAt;
  startAt = 0;
});
audio.addEventListener("durationchange", () => {
  if (Number.isFinite(audio.duration)) player.duration = audio.duration;
});
audio.addEventListener("timeupdate", () => {
  if (startAt > 0 || audio.readyState === 0) return;
  if (audio.currentTime !== player.position) movedMs = performance.now();
  player.position = audio.currentTime;
  if (player.isPlaying && audio.currentTime > 1) prepareNext();
});
audio.addEventListener("playing", () => {
  player.isWaiting = false;
  retries = 0;
});
audio.addEventListener("canplay", () => player.isWaiting = false);
audio.addEventListener("waiting", () => player.isWaiting = true);
audio.addEventListener("error", () => {
  if (audio.hasAttribute("src")) void recover();
});
audio.addEventListener("ended", () => {
  const place = queues.nextPlace(player.queue, true);
  if (place !== null) return playPlace(place);
  player.isPlaying = false;
  player.position = 0;
  startAt = 0;
});
/** Others may stop the sound too: a headset that is taken off. */
audio.addEventListener("pause", () => {
  if (
    !audio.ended && audio.error === null && audio.readyState > 0 &&
    !player.isWaiting
  ) {
    player.isPlaying = false;
  }
});

function prepareNext(): void {
  const place = queues.nextPlace(player.queue, true);
  const song = place === null ? null : player.queue.items[player.queue.order[place] ?? -1];
  next.prepare(song === undefined || place === player.queue.at ? null : song);
}

setInterval(() => {
  const isStuck = player.isPlaying && !audio.paused && audio.readyState < 3;
  if (isStuck && performance.now() - movedMs > SILENT_MS_MAX) void recover();
}, 1_000);

watch(() => player.volume, (volume) => audio.volume = volume);

// What the player remembers from visit to visit.

const remembered = kept<Kept>("player");
if (remembered?.queue?.items !== undefined) {
  player.queue = remembered.queue;
  player.volume = remembered.volume;
  if (currentSong.value !== null) load(remembered.position);
}

export function remember(): void {
  const { queue, position, volume } = player;
  keep("player", { queue, position, volume } satisfies Kept);
}

watch(
  [() => player.queue, () => player.volume, () => player.isPlaying],
  remember,
);
setInterval(() => player.isPlaying && remember(), 3_000);
addEventListener("pagehide", remember);
