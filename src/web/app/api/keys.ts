import { getJson, request } from "./http.ts";

export interface KeyEntry {
  /** Readable, but not always exact: keys are any bytes. */
  readonly key: string;
  /** The exact path; `null` if no path can name the key. */
  readonly href: string | null;
}

export interface KeyPage {
  readonly keys: readonly KeyEntry[];
  readonly cursor: string | null;
}

export interface KeyValue {
  readonly bytes: Uint8Array;
  /** Time in milliseconds until it expires; `null` if it does not, or if the server does not say. */
  readonly ttlMs: number | null;
}

export function pathOfKey(key: string): string {
  return `/keys/${encodeURIComponent(key)}`;
}

export async function listKeys(
  prefix: string,
  cursor: string | null,
  signal?: AbortSignal,
): Promise<KeyPage> {
  const parameters = new URLSearchParams({ limit: "200" });
  if (prefix !== "") parameters.set("prefix", prefix);
  if (cursor !== null) parameters.set("cursor", cursor);
  return await getJson<KeyPage>(
    `/keys?${parameters}`,
    signal ? { signal } : {},
  );
}

export async function readKey(
  href: string,
  signal?: AbortSignal,
): Promise<KeyValue> {
  const response = await request(`${href}?ttl=true`, signal ? { signal } : {});
  const ttl = response.headers.get("regent-ttl-ms");
  return {
    bytes: new Uint8Array(await response.arrayBuffer()),
    ttlMs: ttl === null ? null : Number(ttl),
  };
}

export interface WriteOptions {
  readonly ttlMs: number | null;
  /** Refuse to replace a key that exists. */
  readonly isNew: boolean;
}

export async function writeKey(
  href: string,
  value: Uint8Array<ArrayBuffer> | string,
  { ttlMs, isNew }: WriteOptions,
): Promise<void> {
  const query = ttlMs === null ? "" : `?ttl-ms=${ttlMs}`;
  const headers: Record<string, string> = isNew ? { "if-none-match": "*" } : {};
  await request(href + query, { method: "PUT", body: value, headers });
}

export async function deleteKey(href: string): Promise<void> {
  await request(href, { method: "DELETE" });
}
