import { watch } from "vue";
import { back, currentSong, player, seek, skip, toggle } from "./player.ts";

const SKIP_S = 10;

/** Lets media keys, headsets and lock screens control the player, and shows them the song. */
export function connectMediaSession(): void {
  if (!("mediaSession" in navigator)) return;
  const { mediaSession } = navigator;
  const actions: [
    MediaSessionAction,
    (details: MediaSessionActionDetails) => void,
  ][] = [
    ["play", () => player.isPlaying || toggle()],
    ["pause", () => player.isPlaying && toggle()],
    ["stop", () => player.isPlaying && toggle()],
    ["nexttrack", skip],
    ["previoustrack", back],
    [
      "seekbackward",
      ({ seekOffset }) => seek(player.position - (seekOffset ?? SKIP_S)),
    ],
    [
      "seekforward",
      ({ seekOffset }) => seek(player.position + (seekOffset ?? SKIP_S)),
    ],
    ["seekto", ({ seekTime }) => seek(seekTime ?? 0)],
  ];
  for (const [action, handle] of actions) {
    try {
      mediaSession.setActionHandler(action, handle);
    } catch {
      // this browser does not know the action
    }
  }
  watch(currentSong, (song) => {
    mediaSession.metadata = song === null ? null : new MediaMetadata({
      title: song.title,
      artist: song.artist,
      album: song.album,
      artwork: song.cover === null ? [] : [{ src: song.cover }],
    });
  }, { immediate: true });
  watch(() => player.isPlaying, (isPlaying) => {
    mediaSession.playbackState = isPlaying ? "playing" : "paused";
  });
  watch(() => [player.duration, Math.floor(player.position / 5)], () => {
    const { duration, position } = player;
    if (duration > 0 && position <= duration) {
      mediaSession.setPositionState({ duration, position });
    }
  });
}
