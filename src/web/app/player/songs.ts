import { coverOf, type FileRecord, isAudio } from "../api/files.ts";
import { compare } from "../i18n/i18n.ts";

/** A song as the player and the lists need it. */
export interface Song {
  /** The file's name. */
  readonly name: string;
  readonly href: string;
  readonly version: number;
  readonly size: number;
  readonly title: string;
  /** Empty if unknown, as is `album`. */
  readonly artist: string;
  readonly album: string;
  /** 0 if unknown, as are `year` and `duration` (in seconds). */
  readonly track: number;
  readonly year: number;
  readonly duration: number;
  readonly cover: string | null;
}

export interface Album {
  readonly key: string;
  readonly title: string;
  /** The artist of all songs; empty if there are several. */
  readonly artist: string;
  readonly year: number;
  readonly cover: string | null;
  /** In the order of their tracks. */
  readonly songs: readonly Song[];
  /** In seconds. */
  readonly duration: number;
}

export interface Artist {
  readonly name: string;
  readonly albums: readonly Album[];
  readonly songs: readonly Song[];
}

export function songsIn(files: readonly FileRecord[]): Song[] {
  return files.filter(isAudio).map(songOf);
}

export function songOf(file: FileRecord): Song {
  const { name, href, version, size, tags } = file;
  const text = (tag: string) => String(tags[tag] ?? "").trim();
  const count = (tag: string) => Number.parseFloat(String(tags[tag] ?? "")) || 0;
  const stem = name.slice(name.lastIndexOf("/") + 1).replace(/\.[^.]+$/, "");
  return {
    name,
    href,
    version,
    size,
    title: text("title") || stem,
    artist: text("artist"),
    album: text("album"),
    track: count("track"),
    year: count("year"),
    duration: count("duration"),
    cover: coverOf(file),
  };
}

/** Albums in the order of their titles. Songs without an album make none. */
export function albumsOf(songs: readonly Song[]): Album[] {
  const byKey = Map.groupBy(
    songs.filter(({ album }) => album !== ""),
    albumKey,
  );
  return [...byKey].map(([key, songs]): Album => {
    const artists = new Set(songs.map(({ artist }) => artist));
    return {
      key,
      title: songs[0]?.album ?? "",
      artist: artists.size === 1 ? [...artists][0] ?? "" : "",
      year: Math.max(...songs.map(({ year }) => year)),
      cover: songs.find(({ cover }) => cover !== null)?.cover ?? null,
      songs: songs.toSorted(byTrack),
      duration: songs.reduce((sum, { duration }) => sum + duration, 0),
    };
  }).sort((one, other) => compare(one.title, other.title));
}

export function artistsOf(
  songs: readonly Song[],
  albums: readonly Album[],
): Artist[] {
  const byName = Map.groupBy(
    songs.filter(({ artist }) => artist !== ""),
    ({ artist }) => artist,
  );
  return [...byName].map(([name, songs]) => ({
    name,
    songs,
    albums: albums.filter((album) => album.songs.some(({ artist }) => artist === name)),
  })).sort((one, other) => compare(one.name, other.name));
}

/** Two albums of one title are one if they are in one folder, as samplers of many artists are. */
function albumKey({ album, name }: Song): string {
  const folder = name.slice(0, Math.max(0, name.lastIndexOf("/")));
  return `${album.toLowerCase()}\n${folder}`;
}

function byTrack(one: Song, other: Song): number {
  return one.track - other.track || compare(one.name, other.name);
}
