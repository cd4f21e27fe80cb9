import { getJson, request } from "./http.ts";

/** What the cluster knows of a file. */
export interface FileRecord {
  readonly name: string;
  /** The path at which this server serves it. */
  readonly href: string;
  readonly version: number;
  /** In bytes. */
  readonly size: number;
  readonly sha256: string;
  readonly type: string;
  readonly copies: number;
  readonly createdMs: number;
  readonly modifiedMs: number;
  readonly owner: string;
  /** Of songs: `title`, `artist`, `album`, `track`, `year`, `duration` in seconds, `cover`. */
  readonly tags: Readonly<Record<string, string | number>>;
  readonly holders: readonly string[];
}

export type SortKey = "name" | "size" | "date";

export interface FileQuery {
  readonly q?: string;
  readonly cursor?: string | null;
  readonly limit?: number;
  readonly sort?: SortKey;
  readonly order?: "asc" | "desc";
}

export interface FilePage {
  readonly files: readonly FileRecord[];
  /** Asks for the next page; `null` after the last. */
  readonly cursor: string | null;
}

export interface Placement {
  /** Position on the ring: 13 hex digits. */
  readonly id: string;
  readonly responsible: string;
  readonly wanted: readonly string[];
  readonly holders: readonly string[];
  readonly health: "healthy" | "moving" | "degraded" | "lost";
}

/** Files below this prefix belong to others, and are not shown in lists. */
export const COVERS = ".covers/";

export function pathOfFile(name: string): string {
  return `/files/${name.split("/").map(encodeURIComponent).join("/")}`;
}

export async function listFiles(
  query: FileQuery,
  signal?: AbortSignal,
): Promise<FilePage> {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") {
      parameters.set(key, String(value));
    }
  }
  const page = await getJson<FilePage>(
    `/files?${parameters}`,
    signal ? { signal } : {},
  );
  // Names that no path can name come from other clients of the cluster; nothing can be done with them.
  const files = page.files.filter(({ name, href }) => href !== null && !name.startsWith(COVERS));
  return { ...page, files };
}

/** Deletes a file, unless it has changed since. Works while the page is being closed. */
export async function deleteFile({ name, version }: FileRecord): Promise<void> {
  const headers = { "if-match": `"${version}"` };
  await request(pathOfFile(name), {
    method: "DELETE",
    headers,
    keepalive: true,
  });
}

export async function placementOf(
  name: string,
  signal?: AbortSignal,
): Promise<Placement> {
  const path = pathOfFile(name).replace("/files/", "/placement/");
  return await getJson<Placement>(path, signal ? { signal } : {});
}

/** The path of a song's cover; `null` if it has none. */
export function coverOf({ tags }: Pick<FileRecord, "tags">): string | null {
  const { cover } = tags;
  return typeof cover === "string" && cover !== "" ? pathOfFile(COVERS + cover) : null;
}

/** Whether browsers may be able to play it. */
export function isAudio(
  { type, name }: Pick<FileRecord, "type" | "name">,
): boolean {
  if (type.startsWith("audio/")) return true;
  return type === "" || type === "application/octet-stream"
    ? /\.(mp3|m4a|aac|flac|ogg|oga|opus|wav|weba)$/i.test(name)
    : type === "application/ogg";
}
