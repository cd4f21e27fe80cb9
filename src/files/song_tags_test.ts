import { assert, assertEquals } from "@std/assert";
import { mp3 } from "../../tests/support/web/mp3.ts";
import { gradient } from "../../tests/support/web/pictures.ts";
import { tone } from "../../tests/support/web/sounds.ts";
import { systemClock } from "../platform/clock.ts";
import { COVER_BYTES_MAX, isSong, readSongTags } from "./song_tags.ts";

const TEXTS = {
  TIT2: "Niebla",
  TPE1: "Mateo Ríos 🎵",
  TALB: "Cordillera",
  TRCK: "4/9",
  TYER: "2023",
};
const TAGS = {
  title: "Niebla",
  artist: "Mateo Ríos 🎵",
  album: "Cordillera",
  track: 4,
  year: 2023,
};

const read = (bytes: Uint8Array, type = "audio/mpeg", size = bytes.length) =>
  readSongTags(bytes, type, size, systemClock);

Deno.test("title, artist, album, track, year, duration and cover of an MP3 are read", async () => {
  const bytes = gradient([0, 0, 0], [255, 255, 255], 16);
  const song = mp3({ texts: TEXTS, cover: { type: "image/png", bytes } });
  const { tags, cover } = await read(song);
  assertEquals(tags, { ...TAGS, duration: 1 });
  assertEquals(cover?.type, "image/png");
  assertEquals([...cover?.bytes ?? []], [...bytes]);
});

Deno.test("the head of a long song is enough, even if it ends in the middle of the cover", async () => {
  const cover = { type: "image/jpg", bytes: new Uint8Array(50_000) };
  const song = mp3({ texts: TEXTS, cover, frames: 400 });
  const whole = await read(song.subarray(0, 60_000), "audio/mpeg", song.length);
  assertEquals(whole.cover?.type, "image/jpeg");
  const { duration, ...tags } = whole.tags;
  assertEquals(tags, TAGS);
  assert(duration === undefined || Math.abs(Number(duration) - 10.4) < 1, `${duration}`);
  const cut = await read(song.subarray(0, 20_000), "audio/mpeg", song.length);
  assertEquals(cut.cover, null);
});

Deno.test("a song without tags has its duration at most", async () => {
  assertEquals(await read(tone(2), "audio/wav"), { tags: { duration: 2 }, cover: null });
  assertEquals(await read(new Uint8Array(0)), { tags: {}, cover: null });
  assertEquals(await read(mp3({ texts: TEXTS }), "text/plain"), { tags: {}, cover: null });
});

Deno.test("long and odd texts fit, and large or dangerous covers are left out", async () => {
  const long = await read(mp3({ texts: { ...TEXTS, TIT2: `a\u0007${"é".repeat(5_000)}` } }));
  assert(JSON.stringify(long.tags).length < 4_096);
  assertEquals(String(long.tags["title"]).slice(0, 4), "a éé");
  for (
    const cover of [
      { type: "image/svg+xml", bytes: new Uint8Array(100) },
      { type: "image/png", bytes: new Uint8Array(COVER_BYTES_MAX + 1) },
    ]
  ) {
    assertEquals((await read(mp3({ texts: TEXTS, cover }))).cover, null);
  }
});

Deno.test("broken songs of all kinds are no error", async () => {
  let seed = 7;
  const random = () => (seed = seed * 48_271 % 0x7fffffff) / 0x7fffffff;
  const types = [
    "mpeg",
    "flac",
    "ogg",
    "mp4",
    "aac",
    "wav",
    "x-aiff",
    "webm",
    "x-ms-wma",
    "x-none",
  ];
  const song = mp3({ texts: TEXTS });
  for (const type of types) {
    for (let round = 0; round < 5; round++) {
      const noise = Uint8Array.from({ length: 3_000 }, () => Math.floor(random() * 256));
      const broken = song.slice(0, 3_000);
      for (let at = 0; at < 30; at++) {
        broken[Math.floor(random() * 300)] = Math.floor(random() * 256);
      }
      for (const bytes of [noise, broken]) {
        const { tags } = await read(bytes, `audio/${type}`, bytes.length * 2);
        assert(Object.values(tags).every((tag) => ["string", "number"].includes(typeof tag)));
      }
    }
  }
});

Deno.test("songs are known by their types", () => {
  for (const type of ["audio/mpeg", "AUDIO/flac", "application/ogg"]) assert(isSong(type), type);
  for (const type of ["", "video/mp4", "text/audio/x", "application/octet-stream"]) {
    assert(!isSong(type), type);
  }
});
