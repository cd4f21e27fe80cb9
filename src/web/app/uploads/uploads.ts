import { computed, reactive, ref } from "vue";
import { pathOfFile } from "../api/files.ts";
import { ApiError } from "../api/http.ts";
import { explain } from "../errors.ts";
import { keep, kept } from "../storage.ts";
import { send } from "./send.ts";
import { terminate, uploadByTus } from "./tus.ts";

/** Larger files are sent so that they can go on after an interruption. */
const RESUMABLE_BYTES = 8 * 1024 * 1024;
/** Maximum number of files sent at the same time. Browsers open six connections to one server. */
const AT_ONCE_MAX = 2;

export type UploadState =
  | "queued"
  | "sending"
  | "waiting" // for the connection
  | "exists" // the reader has to decide
  | "done"
  | "failed"
  | "cancelled";

export interface Upload {
  readonly id: number;
  name: string;
  readonly size: number;
  state: UploadState;
  /** Bytes sent. */
  sent: number;
  /** Bytes per second, lately. */
  pace: number;
  /** Why it failed, in the page's language. */
  reason: string;
  /** What the file of this name may be: `*` when it may not exist. */
  replaces: boolean;
}

/** An upload that an earlier visit has left unfinished. */
export interface Unfinished {
  readonly name: string;
  readonly size: number;
  readonly lastModified: number;
  readonly url: string;
}

interface Source {
  readonly file: File;
  controller: AbortController;
  url: string | null;
}

/** By the id of the upload. */
const sources = new Map<number, Source>();
export const uploads = reactive<Upload[]>([]);
/** Uploads to go on with, once the reader gives their files again. */
export const unfinished = ref<readonly Unfinished[]>(
  kept<Unfinished[]>("unfinished") ?? [],
);
/** Those of them that this visit has not taken up. */
export const interrupted = computed(() => {
  const taken = uploads.filter(({ state }) => state !== "cancelled").map(({ id }) => id);
  const urls = new Set(taken.map((id) => sources.get(id)?.url));
  return unfinished.value.filter(({ url }) => !urls.has(url));
});
/** Number of files that have arrived: lists are read again when it changes. */
export const arrivals = ref(0);

export const progress = computed(() => {
  const open = uploads.filter(({ state }) => isOpen(state));
  const counted = uploads.filter(({ state }) => isOpen(state) || state === "done");
  const total = counted.reduce((sum, { size }) => sum + size, 0);
  const sent = counted.reduce(
    (sum, upload) => sum + Math.min(upload.sent, upload.size),
    0,
  );
  return { open: open.length, share: total === 0 ? 1 : sent / total };
});

let lastId = 0;

function isOpen(state: UploadState): boolean {
  return state === "queued" || state === "sending" || state === "waiting";
}

/** Uploads files under their names, below a prefix. */
export function addUploads(
  files: readonly { readonly name: string; readonly file: File }[],
): void {
  for (const { name, file } of files) {
    const id = ++lastId;
    const url = unfinished.value.find((one) => isSame(one, name, file))?.url ??
      null;
    sources.set(id, { file, controller: new AbortController(), url });
    uploads.push({
      id,
      name: name.normalize("NFC"),
      size: file.size,
      state: "queued",
      sent: 0,
      pace: 0,
      reason: "",
      replaces: false,
    });
  }
  startNext();
}

export function cancelUpload(upload: Upload): void {
  const source = sources.get(upload.id);
  source?.controller.abort();
  if (source?.url) {
    void terminate(source.url);
    forget(source.url);
  }
  upload.state = "cancelled";
  startNext();
}

/** Tries again, or sends a file that replaces the one of its name. */
export function retryUpload(
  upload: Upload,
  { replaces = upload.replaces } = {},
): void {
  const source = sources.get(upload.id);
  if (source === undefined) return;
  source.controller = new AbortController();
  Object.assign(upload, { state: "queued", sent: 0, reason: "", replaces });
  startNext();
}

/** Sends it under a name that is not taken. */
export function keepBoth(upload: Upload): void {
  const [, stem = upload.name, extension = ""] = /^(.+?)(\.[^./]+)?$/.exec(upload.name) ?? [];
  const count = Number(/ \((\d+)\)$/.exec(stem)?.[1] ?? 1) + 1;
  upload.name = `${stem.replace(/ \(\d+\)$/, "")} (${count})${extension}`;
  retryUpload(upload);
}

/** Takes all that need nothing more off the list. */
export function clearUploads(): void {
  for (
    const upload of uploads.filter(({ state }) => !isOpen(state) && state !== "exists")
  ) {
    sources.delete(upload.id);
  }
  uploads.splice(
    0,
    uploads.length,
    ...uploads.filter(({ id }) => sources.has(id)),
  );
}

/** Forgets an unfinished upload for good. */
export function dropUnfinished({ url }: Unfinished): void {
  void terminate(url);
  forget(url);
}

function startNext(): void {
  const busy = uploads.filter(({ state }) => state === "sending" || state === "waiting")
    .length;
  for (
    const upload of uploads.filter(({ state }) => state === "queued").slice(
      0,
      AT_ONCE_MAX - busy,
    )
  ) {
    void run(upload);
  }
}

async function run(upload: Upload): Promise<void> {
  const source = sources.get(upload.id);
  if (source === undefined) return;
  const { signal } = source.controller;
  upload.state = "sending";
  const onProgress = paceMeter(upload);
  const isLarge = source.file.size > RESUMABLE_BYTES;
  try {
    await (isLarge
      ? sendResumable(upload, source, onProgress)
      : sendWhole(upload, source, onProgress));
    upload.sent = upload.size;
    upload.state = "done";
    arrivals.value++;
  } catch (error) {
    if (signal.aborted) return; // `cancelUpload` has said so
    const exists = error instanceof ApiError && error.status === 412 &&
      !upload.replaces;
    if (exists && source.url !== null) {
      // Its condition has been fixed when it began.
      void terminate(source.url);
      forget(source.url);
      source.url = null;
    }
    upload.state = exists ? "exists" : "failed";
    upload.reason = exists ? "" : explain(error);
  } finally {
    startNext();
  }
}

async function sendWhole(
  upload: Upload,
  { file, controller: { signal } }: Source,
  onProgress: (sent: number) => void,
): Promise<void> {
  await send({
    method: "PUT",
    url: pathOfFile(upload.name),
    headers: {
      ...conditionOf(upload),
      ...(file.type === "" ? {} : { "content-type": file.type }),
    },
    body: file,
    signal,
    onProgress,
  });
}

async function sendResumable(
  upload: Upload,
  source: Source,
  onProgress: (sent: number) => void,
): Promise<void> {
  const { file } = source;
  await uploadByTus({
    file,
    metadata: { filename: upload.name, ...(file.type === "" ? {} : { filetype: file.type }) },
    headers: conditionOf(upload),
    url: source.url,
    signal: source.controller.signal,
    onUrl: (url) => {
      source.url = url;
      const { lastModified, size } = file;
      remember({ name: upload.name, size, lastModified, url });
    },
    onProgress,
    onWaiting: (isWaiting) => upload.state = isWaiting ? "waiting" : "sending",
  });
  if (source.url !== null) forget(source.url);
  source.url = null;
}

function conditionOf({ replaces }: Upload): Record<string, string> {
  return replaces ? {} : { "if-none-match": "*" };
}

/** Notes progress and, over the last seconds, the pace. */
function paceMeter(upload: Upload): (sent: number) => void {
  let seen = { ms: performance.now(), sent: upload.sent };
  return (sent) => {
    const ms = performance.now();
    upload.sent = sent;
    if (ms - seen.ms < 500) return;
    const pace = (sent - seen.sent) / (ms - seen.ms) * 1000;
    upload.pace = upload.pace === 0 ? pace : upload.pace * 0.7 + pace * 0.3;
    seen = { ms, sent };
  };
}

function isSame(
  one: Unfinished,
  name: string,
  { size, lastModified }: File,
): boolean {
  return one.name === name.normalize("NFC") && one.size === size &&
    one.lastModified === lastModified;
}

function remember(one: Unfinished): void {
  unfinished.value = [
    ...unfinished.value.filter(({ url }) => url !== one.url),
    one,
  ];
  keep("unfinished", unfinished.value);
}

function forget(url: string): void {
  unfinished.value = unfinished.value.filter((one) => one.url !== url);
  keep("unfinished", unfinished.value);
}

addEventListener("beforeunload", (event) => {
  if (progress.value.open > 0) event.preventDefault();
});
