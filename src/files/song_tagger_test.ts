import { assertEquals } from "@std/assert";
import { mp3 } from "../../tests/support/web/mp3.ts";
import { silentLogger } from "../base/logger.ts";
import { systemClock } from "../platform/clock.ts";
import type { BodySource } from "../platform/http_listener.ts";
import { FileError } from "./file_error.ts";
import type { FileRecord, PutOptions } from "./files.ts";
import { SongTagger } from "./song_tagger.ts";

const COVER = { type: "image/png", bytes: Uint8Array.from([1, 2, 3]) };
const SONG = mp3({ texts: { TIT2: "Niebla" }, cover: COVER });
/** Of the cover. */
const DIGEST = "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81";

/** @param failure what storing the cover ends with */
async function tagged(failure: Error | null): Promise<{ tags: unknown; puts: unknown[] }> {
  const puts: unknown[] = [];
  const files = {
    put(name: string, body: BodySource, options: PutOptions): Promise<FileRecord> {
      puts.push(name, options);
      body.resume();
      return failure === null ? Promise.resolve({} as FileRecord) : Promise.reject(failure);
    },
  };
  const options = { type: "audio/mpeg", files, clock: systemClock, logger: silentLogger };
  const tags = await new SongTagger(options).tagsOf(SONG, SONG.length);
  return { tags, puts };
}

Deno.test("the cover of a song is stored once, under its SHA-256", async () => {
  const { tags, puts } = await tagged(null);
  assertEquals(tags, { title: "Niebla", duration: 1, cover: DIGEST });
  assertEquals(puts, [`.covers/${DIGEST}`, { size: 3, type: "image/png", condition: "absent" }]);
  const again = await tagged(new FileError("precondition-failed", "The file exists already."));
  assertEquals(again.tags, tags);
});

Deno.test("a song is stored without its cover when that cannot be", async () => {
  const { tags } = await tagged(new FileError("insufficient-storage", "Too few nodes have room."));
  assertEquals(tags, { title: "Niebla", duration: 1 });
});
