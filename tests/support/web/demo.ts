/**
 * Serves the page with a cluster that pretends, for work on the page:
 * `deno run -A tests/support/web/demo.ts [PORT]`
 */
import { FakeCluster } from "./fake_cluster.ts";
import { gradient } from "./pictures.ts";
import { tone } from "./sounds.ts";

type Colour = readonly [number, number, number];

const ALBUMS: readonly [string, string, number, readonly string[], (readonly [Colour, Colour])?][] =
  [
    ["Night Ferry", "Lena Holm", 2021, [
      "Harbour Lights",
      "Slow Tide",
      "Northbound",
      "Salt",
      "Before Dawn",
    ], [[16, 42, 67], [233, 120, 70]]],
    ["Paper Gardens", "The Quiet Hours", 2019, [
      "Folded",
      "Rain on Glass",
      "Window Seat",
      "Late Bloom",
    ], [[232, 226, 206], [88, 129, 87]]],
    [
      "Cordillera",
      "Mateo Ríos",
      2023,
      ["Altiplano", "Sal y Viento", "La Última Parada", "Niebla"],
      [[120, 40, 31], [243, 167, 18]],
    ],
    ["Small Machines", "Ada & The Engines", 2024, [
      "Warm-up",
      "Gear Teeth",
      "Perpetual",
      "Oil and Light",
      "Rest State",
    ]],
    ["Etudes for an Empty Room", "Piet Verbruggen", 2018, ["I", "II", "III", "IV"], [[60, 60, 72], [
      180,
      186,
      200,
    ]]],
    ["Sunday Static", "Radio Marzo", 2022, ["Dial", "Antena", "Domingo", "Ruido Blanco"]],
    ["Low Season", "Lena Holm", 2024, ["Closed for Winter", "Empty Promenade", "Gulls"], [[
      35,
      76,
      94,
    ], [148, 190, 188]]],
    ["Field Notes", "Various", 2020, ["Creek", "Hedgerow", "Barn Owl"], [[71, 85, 48], [
      222,
      199,
      138,
    ]]],
  ];

/** Fills a cluster with music that nobody has ever heard, and other files and keys. */
export function fill(cluster: FakeCluster, seconds = 8): void {
  let hertz = 180;
  ALBUMS.forEach(([album, artist, year, titles, colours], at) => {
    const cover = colours === undefined ? null : `c${at}`.padEnd(64, "0");
    if (colours !== undefined) {
      cluster.files.add(`.covers/${cover}`, gradient(...colours, 240, at + 1), {
        type: "image/png",
      });
    }
    titles.forEach((title, track) => {
      const name = `Music/${artist}/${album}/${String(track + 1).padStart(2, "0")} ${title}.wav`;
      const by = artist === "Various"
        ? ["Ines Vega", "Tom Arden", "Yuki Sato"][track] ?? ""
        : artist;
      cluster.files.add(name, tone(seconds, hertz += 7), {
        type: "audio/wav",
        tags: {
          title,
          artist: by,
          album,
          year,
          track: track + 1,
          duration: seconds === 8 ? 150 + (hertz * 37) % 190 : seconds,
          ...(cover === null ? {} : { cover }),
        },
        modifiedMs: Date.now() - (at * 5 + track) * 5_400_000,
      });
    });
  });
  const add = (name: string, size: number, type: string, hours: number) =>
    cluster.files.add(name, new Uint8Array(size), {
      type,
      modifiedMs: Date.now() - hours * 3_600_000,
    });
  add("Reports/2026/annual report.pdf", 1_840_221, "application/pdf", 0.2);
  add("Reports/2026/figures.csv", 48_120, "text/csv", 3);
  add("Photos/harbour.jpg", 3_420_118, "image/jpeg", 30);
  add("backup-2026-11-30.tar.zst", 24_000_000, "application/zstd", 19);
  add("Videos/launch.mp4", 18_200_000, "video/mp4", 200);
  const key = (
    name: string,
    value: string | Uint8Array<ArrayBuffer>,
    ttlMs: number | null = null,
  ) =>
    cluster.keys.set(name, {
      value: typeof value === "string" ? new TextEncoder().encode(value) : value,
      deadlineMs: ttlMs === null ? null : Date.now() + ttlMs,
    });
  key("greeting", "hello");
  key(
    "session:41c2",
    JSON.stringify({ user: "ana", roles: ["admin", "dj"], since: 1796083200 }),
    185_000,
  );
  key("session:9f07", JSON.stringify({ user: "tom", roles: [] }), 62_000);
  key("config:theme", "dark");
  key("counter:visits", "184213");
  key("blob:thumb", Uint8Array.from({ length: 400 }, (_, at) => (at * 37) % 256));
  for (let at = 1; at <= 30; at++) {
    key(`user:${String(at).padStart(4, "0")}`, JSON.stringify({ id: at }));
  }
}

if (import.meta.main) {
  const cluster = new FakeCluster({ port: Number(Deno.args[0] ?? 8080) });
  fill(cluster);
  console.log(cluster.url);
}
