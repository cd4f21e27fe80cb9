import { assertEquals } from "@std/assert";
import { ProgressLine, progressText } from "./progress.ts";

Deno.test("progress is shown in percent and in MiB, with the rate and the time left", () => {
  assertEquals(progressText(0, 0, 0), "  0 %  0.0 of 0.0 MiB");
  assertEquals(progressText(1_500_000, 3_000_001, 0), " 49 %  1.4 of 2.9 MiB");
  assertEquals(progressText(7, 7, 1e6), "100 %  0.0 of 0.0 MiB  1.0 MB/s");
  assertEquals(progressText(0, 1.5e9, 1.04e8), "  0 %  0.0 of 1430.5 MiB  104 MB/s  0:15 left");
  assertEquals(progressText(0, 7.5e6, 1e5), "  0 %  0.0 of 7.2 MiB  0.1 MB/s  1:15 left");
  assertEquals(progressText(0, 3.6e9, 1e6), "  0 %  0.0 of 3433.2 MiB  1.0 MB/s  1:00:00 left");
  assertEquals(progressText(5e6, null, 2e6), "4.8 MiB  2.0 MB/s");
});

function shown(isTerminal: boolean, name: string, columns = 80) {
  const texts: string[] = [];
  let nowMs = 0;
  const line = new ProgressLine({ name, totalBytes: 10e6, skippedBytes: 1e6 }, {
    isTerminal,
    columns: () => columns,
    nowMs: () => nowMs,
    write: (text) => void texts.push(text.replace("\r", "").replace("\x1b[K", "$")),
  });
  for (nowMs = 10; nowMs <= 5_000; nowMs += 10) {
    // The first second is slow, then it is twice as fast.
    line.show(1e6 + (nowMs <= 1_000 ? nowMs * 500 : 500_000 + (nowMs - 1_000) * 1_000));
  }
  line.end();
  return texts;
}

Deno.test("the line is updated ten times a second, by the rate of the last seconds", () => {
  const texts = shown(true, "song.flac");
  assertEquals(texts.length, 51);
  assertEquals(texts[0], "song.flac   10 %  1.0 of 9.5 MiB  0.5 MB/s  0:18 left$");
  assertEquals(texts.at(-2), "song.flac   54 %  5.2 of 9.5 MiB  1.0 MB/s  0:05 left$");
  assertEquals(texts.at(-1), "$");
});

Deno.test("the line fits the terminal, and does not appear elsewhere", () => {
  const long = `photos/${"x".repeat(80)}/end.jpg`;
  for (const text of shown(true, long).slice(0, -1)) assertEquals(text.length - 1 < 80, true, text);
  assertEquals(
    shown(true, long, 60).at(-2),
    "…xxxxxx/end.jpg   54 %  5.2 of 9.5 MiB  1.0 MB/s  0:05 left$",
  );
  assertEquals(shown(true, long, 40).at(-2), " 54 %  5.2 of 9.5 MiB  1.0 MB/s  0:05 left$");
  assertEquals(shown(false, "song.flac"), []);
});
