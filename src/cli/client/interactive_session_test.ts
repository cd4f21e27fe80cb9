import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { PassThrough } from "node:stream";
import { until } from "../../../tests/support/until.ts";
import { latin1, latin1Bytes } from "../../base/bytes.ts";
import { ClientConnection } from "./client_connection.ts";
import { InteractiveSession } from "./interactive_session.ts";
import { CommandHistory } from "./typed_lines.ts";

const PERMISSIONS: Deno.PermissionOptions = { net: true, env: true, read: true };

/** A person at a terminal, and a server that gives these replies in turn. */
class Person {
  readonly #server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #answers: (string | null)[];
  readonly #input = new PassThrough();
  readonly #output = new PassThrough();
  readonly #ended: Promise<void>;
  readonly #serving: Promise<void>;
  readonly history = new CommandHistory(undefined);
  readonly prompt: string;
  requests = "";
  #seen = "";

  /** @param answers `null` closes the connection instead */
  constructor(answers: readonly (string | null)[]) {
    this.#answers = [...answers];
    const { port } = this.#server.addr as Deno.NetAddr;
    this.prompt = `127.0.0.1:${port}> `;
    this.#output.on("data", (chunk: Uint8Array) => this.#seen += latin1(chunk, 0, chunk.length));
    this.#serving = this.#serve();
    this.#ended = new InteractiveSession({
      connection: new ClientConnection({ host: "127.0.0.1", port }, {}),
      history: this.history,
      style: "readable",
      input: this.#input,
      output: this.#output,
    }).run();
  }

  async #serve(): Promise<void> {
    for await (const connection of this.#server) {
      const buffer = new Uint8Array(1024);
      for (let count; (count = await connection.read(buffer)) !== null;) {
        this.requests += latin1(buffer, 0, count);
        const answer = this.#answers.shift();
        if (answer === null) break;
        await connection.write(latin1Bytes(answer ?? "-ERR no more answers\r\n"));
      }
      connection.close();
    }
  }

  /** Waits until this is printed, and drops everything up to it. */
  async sees(text: string): Promise<void> {
    await until(`${text} is shown`, () => this.#seen.includes(text), {
      describe: () => JSON.stringify(this.#seen),
    });
    this.#seen = this.#seen.slice(this.#seen.indexOf(text) + text.length);
  }

  /** Types key by key: several at once would be a paste. Resolves when the last one was read. */
  async types(keys: string): Promise<void> {
    for (const key of keys.startsWith("\x1b") ? [keys] : keys) {
      await new Promise((resolve) => this.#input.write(key, resolve));
    }
  }

  async leaves(): Promise<void> {
    await this.#ended;
    this.#server.close();
    await this.#serving;
    this.#input.destroy();
    this.#output.destroy();
  }
}

const UP = "\x1b[A";

Deno.test("commands are typed, completed, recalled, and end with Ctrl-D", {
  permissions: PERMISSIONS,
}, async () => {
  const person = new Person(["+OK\r\n", "$2\r\n\x00\xe9\r\n", "-ERR no\r\n", ":1\r\n"]);
  await person.sees(person.prompt);
  await person.types('set "a\\x00" é\r');
  await person.sees(`OK\n\x1b[1G\x1b[0J${person.prompt}`);
  assertEquals(person.requests, "*3\r\n$3\r\nset\r\n$2\r\na\x00\r\n$2\r\n\xc3\xa9\r\n");
  await person.types("getr\t");
  await person.sees("getrange ");
  await person.types("a 0 1\r");
  await person.sees('"\\x00\\xe9"\n');
  await person.sees(person.prompt);
  await person.types("auth hunter2\r");
  await person.sees("(error) ERR no\n");
  await person.sees(person.prompt);
  await person.types(UP);
  await person.types("\r");
  await person.sees("(integer) 1\n");
  assertMatch(person.requests, /getrange(.|\s)*auth(.|\s)*getrange/);
  assertEquals(person.history.lines, ["getrange a 0 1", 'set "a\\x00" é']);
  await person.types("\x04");
  await person.leaves();
});

Deno.test("Ctrl-C clears the line, help needs no server, quit ends", {
  permissions: PERMISSIONS,
}, async () => {
  const person = new Person(["+PONG\r\n"]);
  await person.sees(person.prompt);
  await person.types("flushall\x03ping\r");
  await person.sees("PONG\n");
  assertEquals(person.requests, "*1\r\n$4\r\nping\r\n");
  await person.types('set "a\r');
  await person.sees("quotes do not balance");
  await person.types("help get\r");
  await person.sees("GET: Returns the value of a key");
  await person.types("QUIT\r");
  await person.leaves();
  assertEquals(person.requests, "*1\r\n$4\r\nping\r\n");
});

Deno.test("a lost connection is reported, nothing is sent twice, and the next command connects", {
  permissions: PERMISSIONS,
}, async () => {
  const person = new Person([null, "+OK\r\n", "nonsense\r\n", ":7\r\n"]);
  await person.sees(person.prompt);
  await person.types("incr a\r");
  await person.sees("Cannot tell whether it was executed");
  await person.sees("not connected> ");
  await person.types("set a 1\r");
  await person.sees("OK\n");
  await person.sees(person.prompt);
  await person.types("get a\r");
  await person.sees("not in the Redis protocol");
  await person.sees("not connected> ");
  await person.types("incr a\r");
  await person.sees("(integer) 7\n");
  assertEquals(person.requests.split("incr").length, 3);
  await person.types("\x04");
  await person.leaves();
});

Deno.test("Ctrl-C gives up waiting for an answer", { permissions: PERMISSIONS }, async () => {
  const person = new Person(["", "+PONG\r\n"]);
  await person.sees(person.prompt);
  await person.types("wait 1 0\r");
  await until("it waits", () => person.requests.includes("wait"));
  await person.types("\x03");
  await person.sees("interrupted by Ctrl-C");
  await person.types("ping\r");
  await person.sees("PONG\n");
  await person.types("\x04");
  await person.leaves();
});

Deno.test("a missing server is reported, and tried again with each command", {
  permissions: PERMISSIONS,
}, async () => {
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = server.addr as Deno.NetAddr;
  server.close();
  const [input, output] = [new PassThrough(), new PassThrough()];
  let seen = "";
  output.on("data", (chunk) => seen += chunk);
  const ended = new InteractiveSession({
    connection: new ClientConnection({ host: "127.0.0.1", port }, {}),
    history: new CommandHistory(undefined),
    style: "readable",
    input,
    output,
  }).run();
  await until("the prompt is shown", () => seen.includes("not connected> "));
  assertStringIncludes(seen, `Cannot connect to 127.0.0.1:${port}: connection refused\n`);
  seen = "";
  input.write("ping\r");
  await until("it is told again", () => seen.includes("connection refused\n"));
  input.end();
  await ended;
  assert(!seen.includes("    at "));
});
