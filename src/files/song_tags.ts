import type { ICommonTagsResult, IFormat } from "music-metadata";
import type { Clock } from "../platform/clock.ts";

/**
 * Number of bytes from the beginning of a song that are enough for its tags: they and the cover stand
 * there, but for some MP4 files.
 */
export const SONG_HEAD_BYTES = 2 * 1024 * 1024;
/** Maximum size in bytes of a cover. Larger ones are left out. */
export const COVER_BYTES_MAX = 1024 * 1024;
/**
 * Where covers are: as files of their own named `.covers/SHA-256`, so that an album has its cover once
 * whatever number of songs carry it. The tag `cover` of a song is that SHA-256, in hexadecimal.
 */
export const COVERS_PREFIX = ".covers/";

/** Maximum number of characters of a tag. */
const TEXT_MAX = 250;
const PARSE_MS_MAX = 2_000;
/** Types that browsers show, and that can contain no script. */
const COVER_TYPES = ["image/jpeg", "image/png", "image/webp", "image/gif"];

export interface SongTags {
  /** `title`, `artist`, `album`; `track`, `year`; `duration` in seconds: those that are known. */
  readonly tags: Readonly<Record<string, string | number>>;
  readonly cover: SongCover | null;
}

export interface SongCover {
  readonly type: string;
  readonly bytes: Uint8Array;
}

const NONE: SongTags = { tags: {}, cover: null };

/** Whether a file of this type may have tags that `readSongTags` reads. */
export function isSong(type: string): boolean {
  return /^audio\/[\w.+-]+/i.test(type) || /^application\/ogg\b/i.test(type);
}

/**
 * Reads what a song says of itself. It never rejects: what cannot be read in time has no tags.
 *
 * @param head the first `SONG_HEAD_BYTES`, or all of a shorter song
 * @param type its media type
 * @param size of the whole song, in bytes: the duration may follow from it
 */
export async function readSongTags(
  head: Uint8Array,
  type: string,
  size: number,
  clock: Clock,
): Promise<SongTags> {
  if (!isSong(type) || head.length === 0) return NONE;
  return await new Promise((resolve) => {
    const cancel = clock.after(PARSE_MS_MAX, () => resolve(NONE));
    parse(head, type, size).then(resolve, () => resolve(NONE)).finally(cancel);
  });
}

async function parse(head: Uint8Array, type: string, size: number): Promise<SongTags> {
  const { parseWebStream } = await import("music-metadata");
  // Where the head ends in the middle of something, what was read before it counts.
  let seen: SongTags = NONE;
  try {
    const { common, format } = await parseWebStream(streamOf(head), { mimeType: type, size }, {
      duration: head.length === size,
      skipPostHeaders: head.length < size,
      observer: ({ metadata }) => seen = tagsIn(metadata.common, metadata.format),
    });
    return tagsIn(common, format);
  } catch {
    return seen;
  }
}

/** A buffer would be taken for the whole song, and its duration for that of the song. */
function streamOf(head: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(head);
      controller.close();
    },
  });
}

function tagsIn(common: ICommonTagsResult, { duration }: IFormat): SongTags {
  const tags: Record<string, string | number> = {};
  const addText = (name: string, text: string | undefined) => {
    // deno-lint-ignore no-control-regex -- tags end with NUL in some files
    const clean = (text ?? "").replace(/[\x00-\x1f\x7f]+/g, " ").trim().toWellFormed();
    if (clean !== "") tags[name] = [...clean].slice(0, TEXT_MAX).join("").normalize("NFC");
  };
  const addNumber = (name: string, value: number | null | undefined, max: number) => {
    if (typeof value === "number" && value > 0 && value <= max) tags[name] = value;
  };
  addText("title", common.title);
  addText("artist", common.artist ?? common.albumartist);
  addText("album", common.album);
  addNumber("track", common.track?.no, 9_999);
  addNumber("year", common.year, 9_999);
  if (duration !== undefined) addNumber("duration", Math.round(duration * 10) / 10, 1e7);
  return { tags, cover: coverIn(common) };
}

function coverIn({ picture = [] }: ICommonTagsResult): SongCover | null {
  const usable = picture.filter(({ format, data }) =>
    COVER_TYPES.includes(typeOf(format)) && data.length > 0 && data.length <= COVER_BYTES_MAX
  );
  const front = usable.find(({ type }) => /front/i.test(type ?? "")) ?? usable[0];
  return front === undefined ? null : { type: typeOf(front.format), bytes: front.data };
}

/** Some programs write `image/jpg` or `PNG`. */
function typeOf(format: string): string {
  const name = format.toLowerCase().replace(/^image\//, "");
  return `image/${name === "jpg" ? "jpeg" : name}`;
}
