import tls from "node:tls";
import type { Logger } from "../../../src/base/logger.ts";
import { type Clock, systemClock } from "../../../src/platform/clock.ts";
import type { Listener, Peer, Stream } from "../../../src/platform/network.ts";
import { TcpNetwork } from "../../../src/platform/tcp_network.ts";
import { tlsConnect } from "../../../src/platform/tls/connect.ts";
import { TlsCredentials, type TlsFiles } from "../../../src/platform/tls/credentials.ts";
import { TlsGate, type TlsGateOptions } from "../../../src/platform/tls/gate.ts";
import { withTemporaryDirectory } from "../temporary_directory.ts";
import { until } from "../until.ts";
import { TestAuthority } from "./certificates.ts";

/** The system's clock, whose monotonic time a test can push forward. */
export class PushedClock implements Clock {
  #pushedMs = 0;

  push(ms: number): void {
    this.#pushedMs += ms;
  }

  nowMs(): number {
    return systemClock.nowMs();
  }

  monotonicMs(): number {
    return systemClock.monotonicMs() + this.#pushedMs;
  }

  after(delayMs: number, run: () => void): () => void {
    return systemClock.after(delayMs, run);
  }

  soon(run: () => void): void {
    systemClock.soon(run);
  }
}

/** A client's connection that is open. */
export class TestStream {
  readonly stream: Stream;
  /** What has come, one character for each byte. */
  text = "";
  reason: string | null = null;

  constructor(stream: Stream) {
    this.stream = stream;
  }

  /** Sends a text, and waits until it has come back. */
  async echo(text: string): Promise<void> {
    this.text = "";
    this.stream.write(text);
    await until(`${text} comes back`, () => this.text === text, { describe: () => this.text });
  }
}

/** A server with TLS that sends back what it gets, on a port of its own. */
export class TlsBench {
  readonly dir: string;
  readonly authority: TestAuthority;
  /** The server's own files. */
  readonly files: TlsFiles;
  readonly credentials: TlsCredentials;
  readonly gate: TlsGate;
  readonly clock = new PushedClock();
  /** What the gate has logged. */
  readonly lines: string[] = [];
  readonly accepted: { readonly peer: Peer | null; readonly stream: Stream }[] = [];
  readonly #opened: TlsCredentials[] = [];
  #listener: Listener | null = null;

  private constructor(
    { dir, authority, files }: Pick<TlsBench, "dir" | "authority" | "files">,
    options: Partial<TlsGateOptions>,
  ) {
    this.dir = dir;
    this.authority = authority;
    this.files = files;
    const note = (line: string) => void this.lines.push(line);
    const logger: Logger = { info() {}, warn: note, error: note };
    const quiet: Logger = { info() {}, warn() {}, error: note };
    this.credentials = new TlsCredentials({ files, clock: this.clock, logger: quiet });
    this.gate = new TlsGate({
      credentials: this.credentials,
      takesPlain: false,
      requiresCertificate: false,
      connectionsMax: 10_000,
      clock: this.clock,
      logger,
      port: "the test port",
      ...options,
    });
  }

  static async open(dir: string, options: Partial<TlsGateOptions>): Promise<TlsBench> {
    const authority = await TestAuthority.create(dir);
    const bench = new TlsBench({ dir, authority, files: await authority.issue("n1") }, options);
    const network = new TcpNetwork({ gate: () => bench.gate });
    bench.#listener = await network.listen({ host: "127.0.0.1", port: 0 }, (stream) => {
      bench.accepted.push({ peer: stream.peer ?? null, stream });
      stream.handle({ onOpen() {}, onData: (bytes) => stream.write(bytes), onClose() {} });
    });
    return bench;
  }

  get port(): number {
    return this.#listener?.address.port ?? 0;
  }

  /** The credentials of a client, which are closed with the bench. */
  clientCredentials(files: TlsFiles): TlsCredentials {
    const logger: Logger = { info() {}, warn() {}, error() {} };
    const credentials = new TlsCredentials({ files, clock: this.clock, logger });
    this.#opened.push(credentials);
    return credentials;
  }

  /** Connects as Regent does. @throws {Error} with the reason when the connection fails */
  async connect(
    files: TlsFiles,
    { node, host = "127.0.0.1", port = this.port }: {
      readonly node?: string;
      readonly host?: string;
      readonly port?: number;
    } = {},
  ): Promise<TestStream> {
    const credentials = this.clientCredentials(files);
    const network = new TcpNetwork({ connect: tlsConnect({ credentials, clock: this.clock }) });
    return await new Promise((resolve, reject) => {
      const stream: Stream = network.connect({ host, port }, {
        onOpen: () => resolve(client),
        onData: (bytes) => client.text += String.fromCharCode(...bytes),
        onClose(reason) {
          client.reason = reason;
          reject(new Error(reason));
        },
      }, node);
      const client = new TestStream(stream);
    });
  }

  /** A client without Regent's own checks. @returns when its connection is over */
  async connectAnyhow({ own, authorities }: TlsFiles, text = ""): Promise<void> {
    const pair = own === null
      ? {}
      : { cert: Deno.readTextFileSync(own.certificate), key: Deno.readTextFileSync(own.key) };
    const ca = Deno.readTextFileSync(authorities);
    const socket = tls.connect({ host: "127.0.0.1", port: this.port, ca, ...pair });
    socket.on("error", () => {});
    socket.once("secureConnect", () => text !== "" && socket.write(text));
    socket.resume();
    await new Promise((resolve) => socket.once("close", resolve));
  }

  close(): void {
    this.#listener?.close();
    for (const credentials of [this.credentials, ...this.#opened]) credentials.close();
  }
}

/** Runs with a server for TLS, and ends it. */
export async function withTls(
  options: Partial<TlsGateOptions>,
  test: (bench: TlsBench) => Promise<void>,
): Promise<void> {
  await withTemporaryDirectory(async (dir) => {
    const bench = await TlsBench.open(dir, options);
    try {
      await test(bench);
    } finally {
      bench.close();
    }
  });
}
