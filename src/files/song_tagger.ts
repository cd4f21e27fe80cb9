import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../base/logger.ts";
import type { Clock } from "../platform/clock.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { FileError } from "./file_error.ts";
import type { Tags } from "./file_metadata.ts";
import type { PutOptions, Tagger } from "./put_options.ts";
import { COVERS_PREFIX, readSongTags, SONG_HEAD_BYTES, type SongCover } from "./song_tags.ts";

export interface SongTaggerOptions {
  /** A media type. */
  readonly type: string;
  /** Where covers go. */
  readonly files: {
    put(name: string, body: BodySource, options: PutOptions): Promise<unknown>;
  };
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Finds the tags of a song, and stores its cover as a file. */
export class SongTagger implements Tagger {
  readonly headBytes = SONG_HEAD_BYTES;
  readonly #options: SongTaggerOptions;

  constructor(options: SongTaggerOptions) {
    this.#options = options;
  }

  async tagsOf(head: Uint8Array, size: number): Promise<Tags> {
    const { type, clock } = this.#options;
    const { tags, cover } = await readSongTags(head, type, size, clock);
    const digest = cover === null ? null : await this.#store(cover);
    return digest === null ? tags : { ...tags, cover: digest };
  }

  /** @returns the SHA-256; `null` if it could not be stored: a song is worth having without it */
  async #store({ type, bytes }: SongCover): Promise<string | null> {
    const { files, logger } = this.#options;
    const digest = createHash("sha256").update(bytes).digest("hex");
    try {
      await files.put(`${COVERS_PREFIX}${digest}`, Readable.from([bytes]), {
        size: bytes.length,
        type,
        condition: "absent",
      });
    } catch (error) {
      if (!(error instanceof FileError)) throw error;
      if (error.code !== "precondition-failed") {
        logger.warn(`a cover was not stored: ${messageOf(error)}`);
        return null;
      }
    }
    return digest;
  }
}
