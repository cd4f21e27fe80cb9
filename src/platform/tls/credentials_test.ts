import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ManualClock } from "../../../tests/support/node/manual_clock.ts";
import { openssl } from "../../../tests/support/openssl.ts";
import { withTemporaryDirectory } from "../../../tests/support/temporary_directory.ts";
import { TestAuthority } from "../../../tests/support/tls/certificates.ts";
import { UserError } from "../../base/errors.ts";
import { TlsCredentials, type TlsFiles } from "./credentials.ts";

const REAL = { permissions: { read: true, write: true, run: true } } as const;
const DAY_MS = 24 * 60 * 60 * 1000;
const LOOK_MS = 2_000;

class Bench implements Disposable {
  readonly dir: string;
  readonly authority: TestAuthority;
  readonly clock = new ManualClock();
  readonly lines: string[] = [];
  readonly #opened: TlsCredentials[] = [];

  constructor(dir: string, authority: TestAuthority) {
    this.dir = dir;
    this.authority = authority;
    this.clock.wallOffsetMs = Date.now();
  }

  open(files: TlsFiles): TlsCredentials {
    const note = (level: string) => (line: string) => void this.lines.push(`${level} ${line}`);
    const logger = { info: note("info"), warn: note("warn"), error: note("error") };
    const credentials = new TlsCredentials({ files, clock: this.clock, logger });
    this.#opened.push(credentials);
    return credentials;
  }

  /** Issues a certificate for n1 that is valid for many days. */
  issue(days = 90, file = "n1"): Promise<TlsFiles> {
    return this.authority.issue("n1", { untilMs: Date.now() + days * DAY_MS }, file);
  }

  /** What was logged since the last call. */
  taken(): string[] {
    return this.lines.splice(0);
  }

  [Symbol.dispose](): void {
    for (const credentials of this.#opened) credentials.close();
  }
}

async function withBench(test: (bench: Bench) => Promise<void>): Promise<void> {
  await withTemporaryDirectory(async (dir) => {
    const nowMs = Date.now();
    using bench = new Bench(dir, await TestAuthority.create(dir, "ca", nowMs, 365 * DAY_MS));
    await test(bench);
  });
}

const serialOf = ({ current }: TlsCredentials) => current.own?.certificate.x509.serialNumber;

Deno.test("new files are used once they are whole", REAL, async () => {
  await withBench(async (bench) => {
    const files = await bench.issue();
    const credentials = bench.open(files);
    let changes = 0;
    credentials.onChange(() => changes++);
    const first = serialOf(credentials);
    bench.clock.advance(10 * LOOK_MS);
    assertEquals([changes, serialOf(credentials), bench.taken()], [0, first, []]);

    const next = await bench.issue(80, "next");
    Deno.renameSync(next.own?.certificate ?? "", files.own?.certificate ?? "");
    bench.clock.advance(LOOK_MS); // the key is still the old one
    assertEquals([changes, bench.taken()], [0, []]);
    Deno.renameSync(next.own?.key ?? "", files.own?.key ?? "");
    bench.clock.advance(LOOK_MS);
    assertEquals(changes, 0);
    bench.clock.advance(LOOK_MS);
    assertEquals([changes, serialOf(credentials) === first], [1, false]);
    assertMatch(bench.taken().join("\n"), /^info new connections use .*, valid until \S+$/);
    bench.clock.advance(10 * LOOK_MS);
    assertEquals([changes, bench.taken()], [1, []]);
  });
});

Deno.test(
  "files that are no good are refused with one line, and the old ones stay in use",
  REAL,
  async () => {
    await withBench(async (bench) => {
      const files = await bench.issue();
      const { certificate, key } = files.own ?? { certificate: "", key: "" };
      const good = [certificate, key, bench.authority.path].map((path) =>
        [path, Deno.readTextFileSync(path)] as const
      );
      const credentials = bench.open(files);
      const first = serialOf(credentials);
      const other = await TestAuthority.create(bench.dir, "other");
      await other.issue("n1", {}, "stranger");
      const nowMs = Date.now();
      await bench.authority.issue("n1", { nowMs: nowMs - DAY_MS, untilMs: nowMs - 1 }, "old");
      const stranger = `${bench.dir}/stranger`;
      const old = `${bench.dir}/old`;
      const copy = (from: string, to: string) => () => Deno.copyFileSync(from, to);
      const both = (from: string) => () => {
        Deno.copyFileSync(`${from}.crt`, certificate);
        Deno.copyFileSync(`${from}.key`, key);
      };
      const cases: [change: () => void, line: RegExp][] = [
        [() => Deno.removeSync(key), /Cannot read .*n1\.key: No such file/],
        [
          () => Deno.writeTextFileSync(certificate, ""),
          /Cannot use .*n1\.crt: it has no certificate/,
        ],
        [copy(`${old}.key`, key), /n1\.key: it is not the key of the certificate in .*n1\.crt/],
        [
          () => Deno.writeTextFileSync(key, "-----BEGIN PRIVATE KEY-----\n"),
          /it is no private key/,
        ],
        [both(old), /n1\.crt: it has expired on/],
        [both(stranger), /n1\.crt: it is not from an authority that is known here/],
        [copy(certificate, bench.authority.path), /is no authority's certificate/],
        [copy(stranger + ".crt", certificate), /it is not the key/],
      ];
      for (const [change, line] of cases) {
        change();
        bench.clock.advance(5 * LOOK_MS);
        const lines = bench.taken();
        assertEquals(lines.length, 1, lines.join("\n"));
        assertMatch(lines[0] ?? "", line);
        assertMatch(
          lines[0] ?? "",
          /^error .*; the certificate that was read before stays in use$/,
        );
        assertEquals(serialOf(credentials), first);
        for (const [path, text] of good) Deno.writeTextFileSync(path, text);
        assertEquals(credentials.reload(), true); // as SIGHUP does
        bench.taken();
      }
    });
  },
);

Deno.test("files that are no good end the start", REAL, async () => {
  await withBench(async (bench) => {
    const files = await bench.issue();
    const own = files.own ?? { certificate: "", key: "" };
    const refused = (changed: Partial<TlsFiles>, reason: string) =>
      assertThrows(() => bench.open({ ...files, ...changed }), UserError, reason);
    refused({ authorities: `${bench.dir}/none` }, `Cannot read ${bench.dir}/none`);
    refused({ own: { ...own, key: own.certificate } }, "it is no private key in PEM");
    refused({ own: { ...own, certificate: own.key } }, "it has no certificate in PEM");
    const locked = `${bench.dir}/locked.key`;
    const lock = ["-topk8", "-v2", "aes256", "-passout", "pass:secret", "-out", locked];
    await openssl("pkcs8", "-in", own.key, ...lock);
    refused({ own: { ...own, key: locked } }, "without a password");
  });
});

Deno.test("keys of the older forms are read", REAL, async () => {
  await withBench(async (bench) => {
    const files = await bench.issue();
    const own = files.own ?? { certificate: "", key: "" };
    await openssl("ec", "-in", own.key, "-out", own.key);
    assertMatch(Deno.readTextFileSync(own.key), /BEGIN EC PRIVATE KEY/);
    bench.open(files);
  });
});

Deno.test(
  "a certificate that ends soon and a key that others can read are warned of",
  REAL,
  async () => {
    await withBench(async (bench) => {
      const files = await bench.issue(16);
      Deno.chmodSync(files.own?.key ?? "", 0o644);
      bench.open(files);
      assertMatch(bench.taken().join("\n"), /^warn others can read the key .*: chmod 600 \S+$/);
      bench.clock.advance(DAY_MS);
      assertEquals(bench.taken(), []);
      bench.clock.advance(1.5 * DAY_MS);
      assertMatch(bench.taken().join("\n"), /^warn the certificate ends on \S+: renew it$/);
      bench.clock.advance(0.4 * DAY_MS);
      assertEquals(bench.taken(), []);
      bench.clock.advance(0.2 * DAY_MS);
      assertEquals(bench.taken().length, 1);
    });
  },
);

Deno.test("a client needs no certificate of its own", REAL, async () => {
  await withBench((bench) => {
    const { current } = bench.open({ own: null, authorities: bench.authority.path });
    assertEquals([current.own, current.authorities.length], [null, 1]);
    return Promise.resolve();
  });
});
